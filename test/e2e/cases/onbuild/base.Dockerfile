FROM localhost/busybox:latest
WORKDIR /app
ONBUILD ARG MODE=release
ONBUILD COPY app.conf ./
ONBUILD RUN echo "mode=$MODE" >> app.conf && mkdir built
ONBUILD ENV APP_READY=yes
CMD ["cat", "/app/app.conf"]
