#!/bin/sh
# Pulls the images that docker-compose.yml names by tag, and pins them in .env to the digests that they have now.
#
# `docker compose` reads .env. Take a line out to follow its tag again; run this anew to move to the tag's newest image.
set -eu
touch .env
grep -o '${[A-Z_]*_IMAGE:-[^}]*}' docker-compose.yml | tr -d '${}' | sort -u | while IFS= read -r line; do
    name=${line%%:-*}
    tag=${line#*:-}
    docker pull --quiet "$tag" > /dev/null < /dev/null
    digest=$(docker image inspect --format '{{index .RepoDigests 0}}' "$tag" < /dev/null | sed 's/.*@//')
    case $digest in
        sha256:*) ;;
        *) echo "no digest of $tag: docker says '$digest'" >&2; exit 1 ;;
    esac
    grep -v "^$name=" .env > .env.new || true
    echo "$name=$tag@$digest" >> .env.new
    mv .env.new .env
    echo "$name=$tag@$digest"
done
