# The service's image: `make image`, or `make image EXTRA=gpu` for the CUDA runtime, `EXTRA=cluster` for Ray. Why each choice:
# docs/decisions/0002-environments-and-containers.md, docs/decisions/0022-operations.md
#
# Tag and digest together: what is built tomorrow is what was built today. A newer one, for its security fixes:
# `docker buildx imagetools inspect python:3.12-slim-bookworm` prints the digest; docker/training.Dockerfile has the same.
ARG BASE=python:3.12.14-slim-bookworm@sha256:782412e85d0f0984994c290652577d4018aff08145c85b262bb63dc0c7522254

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
RUN venv/bin/python -m compileall -q --invalidation-mode unchecked-hash service
COPY models models
COPY docker/health.py docker/health.py
COPY requirements/notices.py requirements/sbom.py requirements/
# The bill of materials: this environment's packages, the base's (it is the next stage's too) and the models. Then all is
# made readable by any user, whatever umask the files were checked out with.
RUN venv/bin/python -m requirements.sbom /var/lib/dpkg/status >sbom.cdx.json \
    && chmod -R a+rX,go-w service models docker sbom.cdx.json

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
COPY --from=builder /fovea/sbom.cdx.json ./
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-I", "docker/health.py"]
CMD ["python", "-m", "service", "serve"]
ARG EXTRA=cpu
ARG BASE
ARG REVISION=unknown
# Of the commit, not of the build, so that building it again gives the same labels.
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="Fovea" \
      org.opencontainers.image.description="Serves CNN image classifiers over HTTP and shows what every layer sees" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${BASE}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.fovea.runtime="${EXTRA}"
