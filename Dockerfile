# Images that run `rootstock`, without root rights:
#   docker build --target cpu --tag rootstock:0.1.0 .
#   docker build --target gpu --tag rootstock:0.1.0-gpu .
# Versions are those of constraints.lock. The stage `dev` is what .devcontainer uses.
ARG PYTHON=3.11.15-slim-bookworm

FROM python:${PYTHON} AS base
# LightGBM needs OpenMP
RUN apt-get update \
    && apt-get install --yes --no-install-recommends 'libgomp1=12.2.*' \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 rootstock \
    && install --directory --owner rootstock /work /models
ENV PATH=/opt/rootstock/bin:$PATH \
    PYTHONUNBUFFERED=1
WORKDIR /work

FROM base AS cpu-dependencies
RUN python -m pip install --no-cache-dir uv==0.13.9 && uv venv /opt/rootstock
ENV UV_NO_CACHE=1 \
    UV_COMPILE_BYTECODE=1 \
    UV_CONSTRAINT=constraints.lock \
    VIRTUAL_ENV=/opt/rootstock
COPY pyproject.toml constraints.lock ./
RUN uv pip install --requirements pyproject.toml \
        --extra azure --extra gcs --extra kfp --extra s3 --extra trees

FROM cpu-dependencies AS gpu-dependencies
RUN uv pip install --requirements pyproject.toml --extra gpu

FROM cpu-dependencies AS wheel
COPY . .
RUN uv build --wheel --out-dir /wheel

FROM base AS cpu
COPY --from=cpu-dependencies /opt/rootstock /opt/rootstock
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    python -m pip --python /opt/rootstock install --no-cache-dir --no-deps /wheel/*.whl
USER 10001
ENTRYPOINT ["rootstock"]
CMD ["--help"]

FROM base AS gpu
COPY --from=gpu-dependencies /opt/rootstock /opt/rootstock
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    python -m pip --python /opt/rootstock install --no-cache-dir --no-deps /wheel/*.whl
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    TF_FORCE_GPU_ALLOW_GROWTH=true
USER 10001
ENTRYPOINT ["rootstock"]
CMD ["--help"]

FROM base AS dev
RUN apt-get update \
    && apt-get install --yes --no-install-recommends 'git=1:2.39.*' 'make=4.3-*' \
    && rm -rf /var/lib/apt/lists/*
USER 10001
