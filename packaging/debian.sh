# Debian packages that the sourcing script needs: which of them are missing, and installing those.
#
# A need is one word, PROBE:PACKAGE, and PROBE says how to see that it is there, whoever installed it:
#   command=NAME   a program on PATH (NAME|OTHER: either)      library=NAME   a library known to pkg-config
#   file=PATH      a file or folder; PATH may hold *           package        Debian's package itself
# debian_install asks for nothing but a password for sudo, changes nothing when nothing is missing, and never starts a
# service: packages such as nats-server would otherwise start theirs.

BUILD_NEEDS=(
    'command=cc:gcc' 'file=/usr/include/stdio.h:libc6-dev' 'command=cmake:cmake' 'command=ninja|make:ninja-build'
    'command=pkg-config:pkg-config' 'library=libuv:libuv1-dev' 'library=libmicrohttpd:libmicrohttpd-dev'
    'library=libcrypto:libssl-dev' 'library=libsodium:libsodium-dev' 'library=jansson:libjansson-dev'
    'library=liburcu:liburcu-dev' 'library=libcurl:libcurl4-openssl-dev' 'library=ncursesw:libncurses-dev'
    'library=libnats:libnats-dev' 'library=zlib:zlib1g-dev' 'file=/usr/include/crypt.h:libcrypt-dev'
)

TEST_NEEDS=(
    'command=git:git' 'file=/etc/ssl/certs/ca-certificates.crt:ca-certificates' 'library=cmocka:libcmocka-dev'
    'file=/usr/sbin/nats-server:nats-server' 'command=prometheus:prometheus' 'command=promtool:prometheus'
    'command=ninja:ninja-build' 'command=tmux:tmux' 'command=openssl:openssl' 'command=clang:clang' 'command=clang-format:clang-format'
    'file=/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a:libclang-rt-14-dev'
    'command=go:golang-go' 'command=node:nodejs' 'command=npm:npm' 'command=python3:python3'
    'file=/usr/lib/python3*/ensurepip/__main__.py:python3-venv' 'command=zsh:zsh' 'command=fish:fish'
    'command=setpriv:util-linux' 'command=ps:procps'
)

debian_has() {
    local probe=${1%:*} package=${1##*:} name
    case $probe in
    command=*)
        for name in $(tr '|' ' ' <<<"${probe#*=}"); do
            PATH=$PATH:/usr/sbin command -v "$name" >/dev/null && return
        done
        return 1
        ;;
    library=*) command -v pkg-config >/dev/null && pkg-config --exists "${probe#*=}" ;;
    file=*) compgen -G "${probe#*=}" >/dev/null ;;
    *) dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ;;
    esac
}

# Prints the packages of the needs that are not met, each once.
debian_missing() {
    local need package seen=' '
    for need in "$@"; do
        package=${need##*:}
        if [[ $seen != *" $package "* ]] && ! debian_has "$need"; then
            seen+="$package "
            printf '%s\n' "$package"
        fi
    done
}

# One line that says why packages cannot be installed here; nothing if they can.
debian_obstacle() {
    if ! command -v apt-get >/dev/null; then
        echo "this system has no apt-get"
    elif [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        echo "you are not root and there is no sudo"
    fi
}

debian_as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# Runs as root, in a shell of its own: installs the packages; a service that one of them brings is not started. What
# apt-get says is shown when it fails.
debian_apt() {
    export DEBIAN_FRONTEND=noninteractive
    local policy=/usr/sbin/policy-rc.d log status=0
    log=$(mktemp)
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    apt-get -q -o DPkg::Lock::Timeout=300 update >"$log" 2>&1 || true
    apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@" >>"$log" 2>&1 || status=$?
    [ $status = 0 ] || tail -n 15 "$log" >&2
    rm -f "$log"
    return $status
}

# debian_install WHO NEED...: 0 when all needs are met in the end; otherwise says what is missing and returns 1.
debian_install() {
    local who=$1 missing obstacle
    shift
    mapfile -t missing < <(debian_missing "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    obstacle=$(debian_obstacle)
    if [ -n "$obstacle" ]; then
        echo "$who: $obstacle; please install these packages (Debian 12's names): ${missing[*]}" >&2
        return 1
    fi
    if ! grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release; then
        echo "$who: this is not Debian 12, so some packages may have other names or versions here" >&2
    fi
    echo "$who: installing ${missing[*]}"
    if ! debian_as_root bash -c "$(declare -f debian_apt); debian_apt \"\$@\"" debian_apt "${missing[@]}" </dev/null; then
        echo "$who: apt-get could not install all of: ${missing[*]}; its own message is above" >&2
        return 1
    fi
    mapfile -t missing < <(debian_missing "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "$who: still not found after the installation: ${missing[*]}" >&2
    return 1
}
