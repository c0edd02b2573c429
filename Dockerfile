# Two images from one file: `--target service` (no torch) and `--target worker`.
FROM python:3.12-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PYTHONPATH=/app HF_HUB_OFFLINE=1
RUN useradd --system --uid 10001 --create-home evoselect
WORKDIR /app
COPY pyproject.toml constraints.txt README.md ./
COPY clients ./clients
COPY evoselect ./evoselect
COPY store ./store
COPY migrations ./migrations

FROM base AS service
COPY service ./service
COPY workers/__init__.py ./workers/__init__.py
RUN pip install -c constraints.txt ./clients/python '.[service,s3]'
USER evoselect
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s CMD ["python", "-c", "import httpx; httpx.get('http://127.0.0.1:8000/livez').raise_for_status()"]
CMD ["uvicorn", "--factory", "service.app:from_environment", "--host", "0.0.0.0", "--port", "8000", "--no-access-log", "--timeout-graceful-shutdown", "5"]

FROM base AS worker
COPY service/__init__.py ./service/__init__.py
COPY workers ./workers
RUN pip install -c constraints.txt ./clients/python '.[worker,s3]'
USER evoselect
CMD ["celery", "-A", "workers.app", "worker", "-Q", "features", "--loglevel", "INFO", "--without-gossip", "--without-mingle"]
