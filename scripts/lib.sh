# What scripts/test and scripts/demo share: finding what a machine lacks, and getting it. Sourced by bash.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

# say WORDS...: one line of progress.
say() { printf '==> %s\n' "$*"; }

# give_up LINE...: what went wrong and what to do, one line each.
give_up() {
    printf 'error: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '       %s\n' "$line" >&2; done
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Debian and Ubuntu call the browser differently, and neither calls it the same everywhere.
find_chromium() {
    local name
    for name in "${STAGEDOOR_TEST_CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
        if [ -n "$name" ] && have "$name"; then command -v "$name"; return 0; fi
    done
    return 1
}

# A TLS library without certificates to trust stops the gateway when it starts.
have_certificates() {
    [ -n "${SSL_CERT_FILE:-}" ] || [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -e /etc/ssl/cert.pem ] ||
        [ -e /etc/pki/tls/certs/ca-bundle.crt ]
}

# A compiler without the C library's headers compiles nothing.
have_compiler() { have cc && echo '#include <stdlib.h>' | cc -E -x c - >/dev/null 2>&1; }

# A python3 from Debian may come without what makes environments.
have_venv() { have python3 && python3 -c 'import ensurepip, venv' >/dev/null 2>&1; }

# The folder with PostgreSQL's programs: Debian keeps them out of the way, one folder for each version.
find_postgres() {
    local bin
    for bin in "${STAGEDOOR_TEST_POSTGRES_BIN:-}" /usr/lib/postgresql/*/bin "$(dirname "$(command -v initdb || echo /none/x)")"; do
        if [ -n "$bin" ] && [ -x "$bin/initdb" ] && [ -x "$bin/postgres" ]; then echo "$bin"; return 0; fi
    done
    return 1
}

# redis-server, where it is named or on the path. redis-cli, which makes the clusters of the tests, comes with it.
find_redis() { command -v "${STAGEDOOR_TEST_REDIS:-redis-server}" && have redis-cli; }

# Built in, or a module of its own as in Debian.
have_nginx_stream() {
    [ -e /usr/lib/nginx/modules/ngx_stream_module.so ] ||
        { PATH="$PATH:/usr/sbin" nginx -V 2>&1 || true; } | grep -Eq -- '--with-stream( |$)'
}

# PostgreSQL refuses to run as root.
as_postgres() {
    if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

# start_postgres: a server of our own on a free port, in a folder that goes with it; names itself in
# STAGEDOOR_TEST_POSTGRES. No fsync: its data are worth nothing.
start_postgres() {
    local options
    STAGEDOOR_TEST_POSTGRES_BIN=$(find_postgres) || give_up "there is no PostgreSQL" "install the package postgresql"
    postgres_folder=$(mktemp -d /tmp/stagedoor-pg.XXXXXX)
    [ "$(id -u)" != 0 ] || chown postgres "$postgres_folder"
    postgres_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    options="-c listen_addresses=127.0.0.1 -c port=$postgres_port -c unix_socket_directories=$postgres_folder"
    options+=" -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200"
    (cd / && as_postgres "$STAGEDOOR_TEST_POSTGRES_BIN/initdb" -D "$postgres_folder/data" -U stagedoor --auth=trust \
        --locale=C --encoding=UTF8 --no-sync >/dev/null &&
        as_postgres "$STAGEDOOR_TEST_POSTGRES_BIN/pg_ctl" -D "$postgres_folder/data" -l "$postgres_folder/log" -w -t 60 \
            -o "$options" start >/dev/null) || return 1
    export STAGEDOOR_TEST_POSTGRES_BIN
    export STAGEDOOR_TEST_POSTGRES="postgres://stagedoor@127.0.0.1:$postgres_port/postgres?sslmode=disable"
}

# Ends what start_postgres began.
stop_postgres() {
    [ -n "${postgres_folder:-}" ] || return 0
    (cd / && as_postgres "$STAGEDOOR_TEST_POSTGRES_BIN/pg_ctl" -D "$postgres_folder/data" -m immediate stop) \
        >/dev/null 2>&1 || true
    rm -rf "$postgres_folder"
}

# The Debian packages that are missing, of those a build needs.
missing_to_build() {
    have cmake || echo cmake
    have make || echo make
    have_compiler || echo gcc libc6-dev
    have_certificates || echo ca-certificates
}

# The same, of those the tests need beyond.
missing_to_test() {
    have_venv || echo python3 python3-venv
    find_chromium >/dev/null || echo chromium
    have chromedriver || echo chromium-driver
    have "${STAGEDOOR_TEST_PROMTOOL:-promtool}" || echo prometheus
    find_postgres >/dev/null || echo postgresql
    have nginx || [ -x /usr/sbin/nginx ] || echo nginx-light
    have_nginx_stream || echo libnginx-mod-stream
    have haproxy || [ -x /usr/sbin/haproxy ] || echo haproxy
    have caddy || echo caddy
    have faketime || echo faketime
    have node || echo nodejs
    have openssl || echo openssl
    find_redis >/dev/null || echo redis-server redis-tools
}

# need_packages PACKAGE...: gets them with apt where we may, else says the line to run.
need_packages() {
    [ $# -gt 0 ] || return 0
    local line="apt-get install -y --no-install-recommends $*"
    have apt-get || give_up "this machine lacks: $*" "install them (these are their names in Debian) and run this again"
    [ "$(id -u)" = 0 ] || give_up "this machine lacks: $*" "run: sudo apt-get update && sudo $line" "then run this again"
    say "installing $*"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # the line is words
    { apt-get update -qq && $line -qq; } </dev/null >/dev/null ||
        give_up "apt could not install: $*" "run: apt-get update && $line" "then run this again"
}

# The one thing that is not installed for anybody.
need_rust() {
    have cargo || give_up "there is no Rust toolchain" "get it from https://rustup.rs and run this again"
}
