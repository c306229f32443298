# What the tests need beside the toolchain: where it is, and how it comes here. Sourced by tests/run.
# shellcheck shell=bash

# Sets RELAIS_TEST_PHP, RELAIS_TEST_PYTHON, RELAIS_TEST_GSON and RELAIS_TEST_CHROMIUM to what there is; unset: missing.
find_tools() {
  local candidate
  : "${RELAIS_TEST_PHP:=$(command -v php || true)}"
  if [ -z "${RELAIS_TEST_PYTHON:-}" ]; then
    for candidate in /usr/bin/python3 python3; do # Debian's own first: that is where its packages are seen
      if "$candidate" -c 'import cryptography' 2>/dev/null; then
        RELAIS_TEST_PYTHON=$(command -v "$candidate")
        break
      fi
    done
  fi
  if [ -z "${RELAIS_TEST_GSON:-}" ] && [ -e /usr/share/java/gson.jar ]; then RELAIS_TEST_GSON=/usr/share/java/gson.jar; fi
  : "${RELAIS_TEST_CHROMIUM:=$(command -v chromium || true)}"
  for candidate in RELAIS_TEST_PHP RELAIS_TEST_PYTHON RELAIS_TEST_GSON RELAIS_TEST_CHROMIUM; do
    if [ -n "${!candidate:-}" ]; then export "${candidate?}"; else unset "$candidate"; fi
  done
}

has() {
  case $1 in
    cargo) { command -v cargo && command -v cc && cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1 ;;
    c++) command -v c++ >/dev/null ;;
    php) [ -n "${RELAIS_TEST_PHP:-}" ] ;;
    python) [ -n "${RELAIS_TEST_PYTHON:-}" ] ;;
    java) { javac -version && [ -n "${RELAIS_TEST_GSON:-}" ]; } >/dev/null 2>&1 ;;
    perl) perl -MCryptX -MCrypt::JWT -e 1 2>/dev/null ;;
    openssl) command -v openssl >/dev/null ;;
    cgi) has perl && has openssl && command -v curl >/dev/null && command -v jq >/dev/null ;;
    nginx) PATH=$PATH:/usr/sbin command -v nginx >/dev/null ;;
    foreign-node) command -v node >/dev/null && [ -d tests/foreign/node_modules/openid-client ] ;;
    foreign-python) has python && cmp -s tests/foreign/requirements.txt "$(foreign_python)/requirements.txt" ;;
    postgres) [ -n "${RELAIS_TEST_POSTGRES:-}" ] || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ;;
    redis) [ -n "${RELAIS_TEST_REDIS:-}" ] || [ -e /usr/bin/redis-server ] || [ -e /usr/bin/valkey-server ] ;;
    browser) [ -n "${RELAIS_TEST_CHROMIUM:-}" ] && command -v node >/dev/null &&
      [ -d tests/browser/node_modules/playwright-core ] ;;
  esac
}

missing() {
  case $1 in
    cargo) echo "Rust with rustfmt and clippy (https://rustup.rs), and a C compiler (Debian: gcc libc6-dev)" ;;
    c++) echo "a C++ compiler for libFuzzer (Debian: g++)" ;;
    php) echo "PHP (Debian: php-cli)" ;;
    python) echo "Python with cryptography (Debian: python3-cryptography)" ;;
    java) echo "Java 11 with Gson (Debian: default-jdk-headless libgoogle-gson-java)" ;;
    perl) echo "Perl with CryptX and Crypt::JWT (Debian: libcryptx-perl libcrypt-jwt-perl)" ;;
    openssl) echo "the openssl command (Debian: openssl)" ;;
    cgi) echo "what KIF's scripts call (Debian: openssl curl jq libcryptx-perl libcrypt-jwt-perl)" ;;
    nginx) echo "nginx (Debian: nginx-light)" ;;
    foreign-node) echo "Node (Debian: nodejs npm), then: cd tests/foreign && npm ci" ;;
    foreign-python) echo "Python's pip (Debian: python3-pip), then: . tests/parts/tools.sh; find_tools; install_foreign_python" ;;
    postgres) echo "PostgreSQL's server (Debian: postgresql; or RELAIS_TEST_POSTGRES, the directory of initdb)" ;;
    redis) echo "Redis's or Valkey's server (Debian: redis-server; or RELAIS_TEST_REDIS, the program)" ;;
    browser) echo "chromium and Node (Debian: chromium nodejs npm), then: cd tests/browser && npm ci" ;;
  esac
}

# Where the packages of tests/foreign/requirements.txt are, for PYTHONPATH.
foreign_python() { echo "${CARGO_TARGET_DIR:-$PWD/target}/test-run/python"; }

install_foreign_python() {
  local directory
  directory=$(foreign_python)
  rm -rf "$directory"
  "$RELAIS_TEST_PYTHON" -m pip install -q --disable-pip-version-check --root-user-action=ignore --no-deps --target "$directory" \
    -r tests/foreign/requirements.txt && cp tests/foreign/requirements.txt "$directory"
}

debian() {
  command -v apt-get >/dev/null || return 1
  local root=()
  [ "$(id -u)" = 0 ] || root=(sudo -n)
  "${root[@]}" apt-get update -q &&
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

# install_tools NAME...: installs what is missing where that is ours to do (root, or CI), and names what still is.
install_tools() {
  local name packages=() lacking=0
  find_tools
  if [ "$(id -u)" = 0 ] || [ "${CI:-}" = true ]; then
    for name in "$@"; do
      has "$name" || case $name in
        cargo) command -v cc >/dev/null || packages+=(gcc libc6-dev) ;;
        c++) packages+=(g++) ;;
        php) packages+=(php-cli) ;;
        python) packages+=(python3-cryptography) ;;
        java)
          command -v javac >/dev/null || packages+=(default-jdk-headless)
          packages+=(libgoogle-gson-java)
          ;;
        perl) packages+=(libcryptx-perl libcrypt-jwt-perl) ;;
        openssl) packages+=(openssl) ;;
        cgi) packages+=(openssl curl jq) ;;
        nginx) packages+=(nginx-light) ;;
        foreign-node) command -v npm >/dev/null || packages+=(nodejs npm) ;;
        foreign-python) "${RELAIS_TEST_PYTHON:-python3}" -m pip --version >/dev/null 2>&1 || packages+=(python3-pip) ;;
        postgres) packages+=(postgresql) ;;
        redis) packages+=(redis-server) ;;
        browser)
          [ -n "${RELAIS_TEST_CHROMIUM:-}" ] || packages+=(chromium fonts-dejavu-core)
          command -v npm >/dev/null || packages+=(nodejs npm)
          ;;
      esac
    done
    [ ${#packages[@]} = 0 ] || debian "${packages[@]}" || echo "not installed: ${packages[*]}"
    find_tools
    if [[ " $* " == *" foreign-node "* ]] && ! has foreign-node; then
      (cd tests/foreign && npm ci --no-audit --no-fund) || echo "not installed: tests/foreign/node_modules"
    fi
    if [[ " $* " == *" foreign-python "* ]] && ! has foreign-python; then
      install_foreign_python || echo "not installed: $(foreign_python)"
    fi
    if [[ " $* " == *" browser "* ]] && ! has browser; then
      (cd tests/browser && npm ci --no-audit --no-fund) || echo "not installed: tests/browser/node_modules"
    fi
  fi
  for name in "$@"; do
    if has "$name"; then
      echo "$name: found"
    else
      echo "$name: MISSING: $(missing "$name")"
      lacking=1
    fi
  done
  # Without cargo nothing runs; the others become skips, which say so themselves.
  has cargo && { [ $lacking = 0 ] || [ "${CI:-}" != true ]; }
}
