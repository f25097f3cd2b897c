# The service's image: `make image`, or `make image EXTRA=gpu` for the CUDA runtime. Why each choice:
# docs/decisions/0002-environments-and-containers.md
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS builder
ARG EXTRA=cpu
WORKDIR /fovea
RUN python -m venv --without-pip venv
COPY requirements/${EXTRA}.txt requirements.txt
# Bytecode is compiled here, because the root is read-only where it runs; unchecked: nobody edits sources in an image.
RUN python -m pip --python venv/bin/python install --no-cache-dir --no-compile \
        --require-hashes --no-deps --only-binary :all: --requirement requirements.txt \
    && venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash venv/lib
COPY service service
COPY models models
COPY docker/health.py docker/health.py
# Readable by the user below, whatever umask the files were checked out with.
RUN venv/bin/python -m compileall -q --invalidation-mode unchecked-hash service \
    && chmod -R a+rX,go-w service models docker

FROM ${BASE}
WORKDIR /fovea
# One arena per thread would keep the largest decoded image of every thread: glibc's default is 8 per core.
ENV PATH=/fovea/venv/bin:${PATH} \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=2 \
    FOVEA_HOST=0.0.0.0 \
    FOVEA_PORT=8000
COPY LICENSE THIRD_PARTY_NOTICES.md ./
COPY --from=builder /fovea/venv venv
COPY --from=builder /fovea/docker docker
COPY --from=builder /fovea/service service
COPY --from=builder /fovea/models models
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-I", "docker/health.py"]
CMD ["python", "-m", "service", "serve"]
ARG EXTRA=cpu
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Fovea" \
      org.opencontainers.image.description="Serves CNN image classifiers over HTTP and shows what every layer sees" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.fovea.runtime="${EXTRA}"
