# The trainer's image: `docker compose run --rm training digits`. The service's is ../Dockerfile.
ARG BASE=python:3.12.14-slim-bookworm@sha256:782412e85d0f0984994c290652577d4018aff08145c85b262bb63dc0c7522254

FROM ${BASE} AS builder
WORKDIR /fovea
RUN python -m venv --without-pip venv
COPY requirements/training.txt requirements.txt
RUN python -m pip --python venv/bin/python install --no-cache-dir \
        --require-hashes --no-deps --only-binary :all: --requirement requirements.txt
# torch has no hash: its CPU build is another file on every index (TORCH in the Makefile). pip's own variables say
# where it lies; where they say nothing, it is the CUDA build, several gigabytes.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
RUN python -m pip --python venv/bin/python install --no-cache-dir --only-binary :all: torch==2.13.0
COPY service service
COPY training training
# Runs are kept in a volume, which begins as this folder, where whoever trains may write. In another one, because what is
# copied keeps its mode and what it is copied to does not.
RUN chmod -R a+rX,go-w service training && mkdir -p writable && mkdir -m 1777 writable/runs

FROM ${BASE}
WORKDIR /fovea
ENV PATH=/fovea/venv/bin:${PATH} \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp
COPY LICENSE ./
COPY --from=builder /fovea/venv venv
COPY --from=builder /fovea/service service
COPY --from=builder /fovea/training training
COPY --from=builder /fovea/writable ./
USER 10001:10001
STOPSIGNAL SIGINT
ENTRYPOINT ["python", "-m", "training", "train"]
CMD ["--help"]
ARG BASE
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="Fovea training" \
      org.opencontainers.image.description="Trains CNN image classifiers and exports them to ONNX" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${BASE}" \
      org.opencontainers.image.licenses="Apache-2.0"
