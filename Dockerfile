# syntax=docker/dockerfile:1
# The HTTP service as a container. Everything it writes is in /data; the rest may be read-only.
ARG PYTHON=3.13-slim-trixie

FROM python:${PYTHON} AS build
WORKDIR /build
RUN python -m venv /opt/stills
COPY requirements-build.lock requirements-service.lock ./
# Wheels only, except pyvips, which is published only as source and needs no compiler.
RUN /opt/stills/bin/pip install --no-cache-dir --require-hashes -r requirements-build.lock \
    && /opt/stills/bin/pip install --no-cache-dir --require-hashes --only-binary :all: \
       --no-binary pyvips --no-build-isolation -r requirements-service.lock
COPY pyproject.toml README.md LICENSE ./
COPY src src
# The version comes from Git, which is not in the build: --build-arg STILLS_VERSION=$(hatchling version)
ARG STILLS_VERSION
RUN SETUPTOOLS_SCM_PRETEND_VERSION=$STILLS_VERSION \
    /opt/stills/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && /opt/stills/bin/pip uninstall --yes --quiet hatch-vcs hatchling setuptools-scm setuptools vcs-versioning pip

FROM python:${PYTHON}
COPY --from=build /opt/stills /opt/stills
RUN useradd --uid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin stills \
    && install -d -o stills -g stills -m 700 /data
ENV PATH=/opt/stills/bin:$PATH \
    HOME=/data \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OUTPUT_DIR=/data/output \
    STILLS_SPOOL=/data/spool
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
# A worker that finishes what it has sent needs up to 60 seconds: docker stop --timeout 60.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=6s --start-period=20s CMD \
    ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=5)"]
ENTRYPOINT ["stills"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000", "--log-format", "json"]
