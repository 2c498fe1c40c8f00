# Sourced by ./demo, ./test and .ci/run: prepares the machine to build and run this checkout, or says what to install.
# Installs as root or through sudo; otherwise prints the one line to run and exits 2. Never asks anything.
# SETUP_NO_INSTALL=1 only prints. SETUP_ALSO="pkg …" adds packages that one caller needs.

rust_wanted=1.95

rust_is_new_enough() {
    command -v cargo >/dev/null && command -v rustc >/dev/null || return 1
    have=$(rustc --version 2>/dev/null | cut -d' ' -f2 | cut -d- -f1) # a rustup shim without a toolchain prints nothing
    [ -n "$have" ] && [ "$(printf '%s\n' "$rust_wanted" "$have" | sort -V | head -n 1)" = "$rust_wanted" ]
}

missing_packages() {
    command -v cc >/dev/null || echo build-essential
    command -v pkg-config >/dev/null || echo pkg-config
    [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
    ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || command -v postgres >/dev/null || echo postgresql
    command -v softhsm2-util >/dev/null || echo softhsm2
    rust_is_new_enough || echo cargo-web rustc-web # Debian's current Rust, kept fresh for browsers; its plain rustc is too old
    for package in ${SETUP_ALSO:-}; do dpkg -s "$package" >/dev/null 2>&1 || echo "$package"; done
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

install_packages() {
    line="apt-get install -y --no-install-recommends $*"
    if ! command -v apt-get >/dev/null || [ -n "${SETUP_NO_INSTALL:-}" ] || ! as_root true 2>/dev/null; then
        echo "Switchyard needs packages that are not installed. As root, run:" >&2
        echo "    $line" >&2
        echo "(elsewhere than on Debian: a C compiler, pkg-config, PostgreSQL 14 or later, SoftHSM 2, Rust $rust_wanted)" >&2
        exit 2
    fi
    echo "Switchyard: $line"
    # Without this Debian would create and start a database cluster on port 5432, which is not used here.
    as_root sh -c 'mkdir -p /etc/postgresql-common/createcluster.d &&
        { ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 ||
          echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/switchyard.conf; }'
    as_root apt-get update -qq
    case "$*" in *rustc-web*) with_security_updates ;; esac
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null
}

# A minimal installation lists Debian's main archive only, whose Rust is too old: the current one is a security update.
with_security_updates() {
    candidate=$(LC_ALL=C apt-cache policy rustc-web | sed -n 's/ *Candidate: //p')
    [ "$(printf '%s\n' "$rust_wanted" "$candidate" | sort -V | head -n 1)" = "$rust_wanted" ] && return
    echo "Switchyard: adding Debian's security updates to /etc/apt/sources.list.d/debian-security.list for Rust $rust_wanted"
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    as_root sh -c "echo 'deb http://deb.debian.org/debian-security $codename-security main' >/etc/apt/sources.list.d/debian-security.list"
    as_root apt-get update -qq
}

export PATH="$PATH:$HOME/.cargo/bin:/usr/sbin:/sbin"
if ! rust_is_new_enough && command -v rustup >/dev/null; then
    rustup toolchain install "$rust_wanted" --profile minimal && export RUSTUP_TOOLCHAIN="$rust_wanted"
fi
wanted=$(missing_packages | tr '\n' ' ')
if [ -n "${wanted% }" ]; then
    # shellcheck disable=SC2086 # a list of package names
    install_packages $wanted
fi
