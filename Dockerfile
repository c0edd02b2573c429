# Three images from one file: `--target service` (no torch), `--target worker` (CPU), `--target worker-gpu` (CUDA).
# Packages are installed in a stage of their own; the final stages hold no compiler, no pip cache and no build tool.
FROM python:3.12.13-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/app HF_HUB_OFFLINE=1 PATH=/opt/venv/bin:$PATH \
    EVOSELECT_HOME=/var/lib/evoselect HF_HOME=/var/lib/evoselect/hf
RUN useradd --system --uid 10001 evoselect && install -d -o evoselect /var/lib/evoselect
WORKDIR /app

FROM base AS build
ENV PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
COPY pyproject.toml constraints.txt README.md ./
COPY clients ./clients
COPY evoselect ./evoselect
COPY store ./store
COPY migrations ./migrations
COPY service ./service
COPY workers ./workers

FROM build AS service-packages
RUN pip install -c constraints.txt ./clients/python '.[service,s3]'

# PIP_EXTRA_INDEX_URL may name an index of torch's CPU wheels, which are a tenth of the size.
FROM build AS worker-packages
ARG PIP_EXTRA_INDEX_URL
RUN pip install -c constraints.txt ./clients/python '.[worker,s3]'

FROM build AS worker-gpu-packages
RUN pip install -c constraints.txt ./clients/python '.[worker,s3]'

FROM base AS service
COPY --from=service-packages /opt/venv /opt/venv
COPY evoselect ./evoselect
COPY store ./store
COPY migrations ./migrations
COPY service ./service
COPY workers/__init__.py ./workers/__init__.py
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s CMD ["python", "-c", "import httpx; httpx.get('http://127.0.0.1:8000/livez').raise_for_status()"]
CMD ["uvicorn", "--factory", "service.app:from_environment", "--host", "0.0.0.0", "--port", "8000", "--no-access-log", "--timeout-graceful-shutdown", "5"]

FROM base AS worker-code
COPY evoselect ./evoselect
COPY store ./store
COPY migrations ./migrations
COPY service/__init__.py ./service/__init__.py
COPY workers ./workers
USER 10001
CMD ["celery", "-A", "workers.app", "worker", "-Q", "features", "--loglevel", "INFO", "--without-gossip", "--without-mingle"]

FROM worker-code AS worker
COPY --from=worker-packages /opt/venv /opt/venv

FROM worker-code AS worker-gpu
COPY --from=worker-gpu-packages /opt/venv /opt/venv
