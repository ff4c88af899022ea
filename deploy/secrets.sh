#!/bin/sh
# Makes the passwords that docker-compose.yml reads, in secrets/; those that are there stay.
#
# The folder is its owner's alone. The files can be read by everybody who gets so far: Docker mounts a file with the
# permissions that it has, and each container has a user of its own.
set -eu
umask 077
mkdir -p secrets
for name in postgres_password redis_password label_studio_password basic_auth_pass; do
    file=secrets/$name.txt
    if [ ! -s "$file" ]; then
        od -An -N20 -tx1 /dev/urandom | tr -d ' \n' > "$file"
        echo "made $file"
    fi
    chmod 444 "$file"
done
