# Afterimage in a container: one process, one volume (/data), no root. See docs/container.md.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# "no" leaves out torch and what loads models with it: for a model that was exported before (docs/container.md).
ARG WITH_TORCH=yes
# The registry's torch brings several GB of CUDA libraries. On a machine without a GPU give the address of PyTorch's
# CPU index here; no address is built in, so that this file works wherever packages come from.
ARG TORCH_INDEX_URL=""
# Names of pyproject.toml's optional dependencies, with commas: EXTRAS=ocr,heic.
ARG EXTRAS=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
# The environment needs no pip of its own once it is made.
RUN python -m venv --without-pip /opt/afterimage
WORKDIR /src
# What changes seldom first: a change of our own code does not install torch again.
COPY pyproject.toml constraints.txt requirements-light.txt ./
RUN if [ "$WITH_TORCH" = no ]; then \
        cp requirements-light.txt dependencies.txt; \
    else \
        python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
            > dependencies.txt; \
    fi \
 && python -c "import sys, tomllib; \
known = tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']; \
wanted = sys.argv[1].replace(',', ' ').split(); \
wrong = ' '.join(name for name in wanted if name not in known); \
sys.exit(f'EXTRAS: there is no {wrong}; there are {sorted(known)}') if wrong \
else print(*(line for name in wanted for line in known[name]), sep='\n')" "$EXTRAS" >> dependencies.txt \
 && if [ "$WITH_TORCH" != no ] && [ -n "$TORCH_INDEX_URL" ]; then \
        pip --python /opt/afterimage/bin/python install --no-cache-dir --index-url "$TORCH_INDEX_URL" \
            --constraint constraints.txt torch torchvision; \
    fi \
 && pip --python /opt/afterimage/bin/python install --no-cache-dir --constraint constraints.txt \
        --requirement dependencies.txt
COPY README.md LICENSE ./
COPY bot ./bot
COPY indexer ./indexer
COPY migrations ./migrations
COPY sandbox ./sandbox
RUN pip --python /opt/afterimage/bin/python install --no-cache-dir --no-deps .

FROM ${PYTHON_IMAGE}
# A fixed number, so that the token's file and a bind-mounted folder can be given to it on the host.
RUN groupadd --gid 10001 afterimage \
 && useradd --uid 10001 --gid afterimage --home-dir /data --no-create-home --shell /usr/sbin/nologin afterimage \
 && install --directory --owner afterimage --group afterimage --mode 0700 /data
COPY --from=build /opt/afterimage /opt/afterimage
# An engine waits ten seconds after SIGTERM unless it is told otherwise: the bot is done before.
ENV PATH=/opt/afterimage/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    AFTERIMAGE_DATA_DIR=/data \
    AFTERIMAGE_DISCORD_SHUTDOWN_S=9 \
    HF_HOME=/data/models \
    HF_HUB_DISABLE_TELEMETRY=1
USER 10001:10001
# config.toml is looked for in the working folder: put one into the volume, or set AFTERIMAGE_… variables.
WORKDIR /data
VOLUME /data
STOPSIGNAL SIGTERM
# It asks /readyz where HTTP is on. The first start downloads the model's weights, which takes minutes.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10m --retries=3 CMD ["afterimage", "health"]
ENTRYPOINT ["afterimage"]
CMD ["run"]
