# Two images from one file:
#   docker build --target cpu -t scgnn_tools .
#   docker build --target cuda -t scgnn_tools:cuda .     # run it with --gpus all
FROM python:3.12-slim AS base
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 SGT_CACHE_DIR=/cache MPLBACKEND=agg
RUN useradd --create-home sgt && mkdir /cache /data && chown sgt /cache /data
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY src ./src

FROM base AS cuda
# PyTorch's default build for Linux brings the CUDA libraries with it; the host needs the driver and the container toolkit
RUN pip install ".[integration,activity]"
USER sgt
WORKDIR /data
ENTRYPOINT ["sgt"]
CMD ["--help"]

# the last stage is what a plain `docker build .` makes
FROM base AS cpu
RUN pip install --index-url https://download.pytorch.org/whl/cpu torch && pip install ".[integration,activity]"
USER sgt
WORKDIR /data
ENTRYPOINT ["sgt"]
CMD ["--help"]
