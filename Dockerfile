# Shortlist: the backend (default) or, with the command `python -m backend worker`, a worker.
#
#   docker build -t shortlist .
#
# PyPI's torch for Linux brings CUDA along. Without a GPU, a CPU-only build makes a much smaller image:
#
#   docker build -t shortlist --build-arg PIP_EXTRA_INDEX_URL=<PyTorch's CPU index> .

# `make digests` puts the digest of this tag into .env, from which docker-compose.yml hands it over.
ARG PYTHON_IMAGE=python:3.11-slim
FROM ${PYTHON_IMAGE} AS packages

RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

# pip reads it from the environment, and ignores it when empty.
ARG PIP_EXTRA_INDEX_URL=""
WORKDIR /build
COPY requirements.lock requirements-cpu.lock requirements-cuda.lock ./
# Every package is what the locks say, to the byte. torch comes without CUDA where that build can be had, and torch's own
# build says whether it needs CUDA's packages.
RUN (pip install --no-deps --require-hashes -r requirements-cpu.lock || echo "torch of PyPI") \
    && pip install --no-deps --require-hashes -r requirements.lock \
    && if pip show torch | grep -q '^Requires:.*cuda'; then \
        pip install --no-deps --require-hashes -r requirements-cuda.lock; fi


# Without a compiler.
FROM ${PYTHON_IMAGE}

RUN useradd --create-home --uid 1000 shortlist \
    && install -d -o shortlist -g shortlist /data

COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY LICENSE ./
COPY backend backend
COPY model model

# All state is under /data: model versions, published orders, the embedded Redis, encoders from Hugging Face.
# A container's loopback is reached by nobody, so it listens on all its addresses: `serve` then wants BASIC_AUTH_USER and
# BASIC_AUTH_PASS, or ALLOW_ANONYMOUS=1 where only containers that you trust reach it. Names by which Label Studio calls it
# go into ALLOWED_HOSTS.
# Caches go into /tmp, so that the root file system may be read-only.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=9090 \
    MODEL_DIR=/data \
    HF_HOME=/data/huggingface \
    MPLCONFIGDIR=/tmp/matplotlib \
    XDG_CACHE_HOME=/tmp/cache
USER 1000
VOLUME /data
EXPOSE 9090

HEALTHCHECK --interval=30s --timeout=10s --start-period=2m \
    CMD ["python", "-c", "import os, urllib.request as ask; ask.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health', timeout=5)"]

CMD ["python", "-m", "backend", "serve"]
