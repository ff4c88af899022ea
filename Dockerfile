# Shortlist: the backend (default) or, with the command `python -m backend worker`, a worker.
#
#   docker build -t shortlist .
#
# PyPI's torch for Linux brings CUDA along. Without a GPU, a CPU-only build makes a much smaller image:
#
#   docker build -t shortlist --build-arg PIP_EXTRA_INDEX_URL=<PyTorch's CPU index> .

FROM python:3.11-slim AS packages

RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

# pip reads it from the environment, and ignores it when empty.
ARG PIP_EXTRA_INDEX_URL=""
WORKDIR /build
COPY requirements.txt requirements-no-deps.txt ./
# torch first: what asks for it later then finds the build that was chosen here.
RUN pip install "$(grep '^torch==' requirements.txt)" \
    && pip install -r requirements.txt \
    && pip install --no-deps -r requirements-no-deps.txt


FROM python:3.11-slim

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
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=9090 \
    MODEL_DIR=/data \
    HF_HOME=/data/huggingface
USER shortlist
VOLUME /data
EXPOSE 9090

HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD python -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:${PORT}/health', timeout=3)"

CMD ["python", "-m", "backend", "serve"]
