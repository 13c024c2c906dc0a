# syntax=docker/dockerfile:1
#
#   docker build --build-arg CPU_INDEX=URL --tag sccan .                 URL: an index of torch wheels without CUDA
#   docker build --build-arg VARIANT=cuda --tag sccan:cuda .             torch as it is published, 5 GB
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/work" sccan segment --support examples --images photos --out masks
#
# Versions are those that the bounds in pyproject.toml allow.
# The page of `sccan label` answers on this machine's own address alone: see compose.yaml.

ARG PYTHON=3.12
ARG VARIANT=cpu
FROM python:${PYTHON}-slim AS base
ENV HOME=/tmp \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

FROM base AS wheel
WORKDIR /source
COPY . .
RUN pip wheel --no-deps --wheel-dir /wheel .

FROM base AS on-cuda

FROM base AS on-cpu
ARG CPU_INDEX
# hadolint ignore=DL3013
RUN pip install --index-url "${CPU_INDEX:?an index of torch wheels without CUDA}" torch torchvision

# hadolint ignore=DL3006
FROM on-${VARIANT}
# hadolint ignore=DL3013
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    set -- /wheel/*.whl && pip install "$1[page]"
WORKDIR /work
USER 1000:1000
ENTRYPOINT ["sccan"]
CMD ["--help"]
