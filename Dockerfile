# classicvision in a container: docker build --tag classicvision .   (or podman, buildah, kaniko)
#
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" classicvision fit images -o images.cvmodel

# The wheel, from the tree.
FROM python:3.13.9-slim-bookworm AS wheel
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /dist .

# The installation, without a compiler and without the sources. A wheel without kernels stops the build.
FROM python:3.13.9-slim-bookworm AS installation
COPY --from=wheel /dist /dist
RUN python -m venv /opt/classicvision \
    && /opt/classicvision/bin/pip install --no-cache-dir /dist/*.whl
RUN /opt/classicvision/bin/python -c "from classicvision._native import native_available; assert native_available()"

FROM python:3.13.9-slim-bookworm
LABEL org.opencontainers.image.title="classicvision" \
      org.opencontainers.image.description="Classical computer vision: SIFT, visual words, image classification, copy search" \
      org.opencontainers.image.source="https://github.com/classicvision/classicvision" \
      org.opencontainers.image.licenses="BSD-3-Clause"
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin classicvision
# Any user may write to the cache: --user names one that the image does not know.
RUN install --directory --mode 1777 /cache
COPY --from=installation /opt/classicvision /opt/classicvision
ENV PATH="/opt/classicvision/bin:$PATH" \
    CLASSICVISION_CACHE=/cache \
    MPLCONFIGDIR=/tmp/matplotlib
USER 10001
WORKDIR /work
ENTRYPOINT ["classicvision"]
CMD ["--help"]
