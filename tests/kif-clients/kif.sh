#!/bin/sh
# Plays an application of KIF's with a POSIX shell and the `openssl` command alone: AES-256-CBC, and the relay's own
# wire `jwe`; `openssl enc` has no GCM. Commands: README.md. Keys stand on command lines here, as they did in KIF's
# scripts: other users of the machine can read them while a command runs.

# The octal digits become the format on purpose: that is how a POSIX shell writes any byte.
# shellcheck disable=SC2046,SC2059
binary() { printf "$(printf '\\%03o' $(printf %s "$1" | sed 's/../0x& /g'))"; }
hex() { od -An -v -tx1 | tr -d ' \n'; }
base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
mac() { openssl dgst -"$1" -mac HMAC -macopt hexkey:"$2" | sed 's/.* //'; }

# Hexadecimal digits of base64url, or nothing where it is not canonical.
unbase64url() {
  padded=$(printf %s "$1" | tr '_-' '/+')
  case $((${#padded} % 4)) in 2) padded="$padded==" ;; 3) padded="$padded=" ;; esac
  digits=$(printf %s "$padded" | openssl base64 -d -A | hex)
  [ -n "$digits" ] && [ "$(binary "$digits" | base64url)" = "$1" ] && echo "$digits"
}

digits() { case $1 in '' | *[!0-9A-Fa-f]*) false ;; *) [ $((${#1} % 2)) = 0 ] ;; esac; }

# MODE KEY IV HEX
encrypt() { [ "$1" = AES-256-CBC ] && binary "$4" | openssl aes-256-cbc -K "$2" -iv "$3" | hex; }

# KEY IV HEX: what is printed counts only where `openssl` is content, so a mark follows it.
cbc() {
  digits "$3" || return 1
  opened=$(binary "$3" | { openssl aes-256-cbc -d -K "$1" -iv "$2" 2>/dev/null && printf good; } | hex)
  case $opened in *676f6f64) echo "${opened%676f6f64}" ;; *) false ;; esac
}

decrypt() { [ "$1" = AES-256-CBC ] && cbc "$2" "$3" "$4"; }

# APP DIRECTION
header() { printf '{"alg":"dir","enc":"A256CBC-HS512","kid":"%s","typ":"relais-%s+jwt"}' "$1" "$2" | base64url; }

# MAC_KEY HEADER IV CIPHERTEXT
tag() {
  { printf %s "$2"; binary "$3$4$(printf '%016x' $((${#2} * 8)))"; } | mac sha512 "$1" | cut -c1-64
}

# WIRE KEY APP DIRECTION TS IV PLAINTEXT
seal() {
  derived=$(printf 'relais-1 jwe %s %s' "$4" "$3" | mac sha512 "$2")
  head=$(header "$3" "$4") cipher_key=${derived#????????????????????????????????????????????????????????????????}
  sealed=$(binary "$7" | openssl aes-256-cbc -K "$cipher_key" -iv "$6" | hex)
  mark=$(tag "${derived%"$cipher_key"}" "$head" "$6" "$sealed")
  echo "$head..$(binary "$6" | base64url).$(binary "$sealed" | base64url).$(binary "$mark" | base64url)"
}

# WIRE KEY APP DIRECTION TOKEN
open() {
  head=$(header "$3" "$4") rest=${5#"$(header "$3" "$4").."}
  [ "$rest" != "$5" ] || return 1
  iv=${rest%%.*} rest=${rest#*.}
  sealed=${rest%%.*} mark=${rest#*.}
  iv=$(unbase64url "$iv") && sealed=$(unbase64url "$sealed") && mark=$(unbase64url "$mark") || return 1
  derived=$(printf 'relais-1 jwe %s %s' "$4" "$3" | mac sha512 "$2")
  cipher_key=${derived#????????????????????????????????????????????????????????????????}
  # Not in constant time, which a shell does not offer: compared by their MACs under a key made for this message.
  once=$(openssl rand -hex 32)
  right=$(tag "${derived%"$cipher_key"}" "$head" "$iv" "$sealed" | mac sha256 "$once")
  [ "$(echo "$mark" | mac sha256 "$once")" = "$right" ] || return 1
  opened=$(cbc "$cipher_key" "$iv" "$sealed") && echo "|$opened"
}

# KEY APP
password() { printf 'relais-1 claim %s' "$2" | mac sha256 "$1"; }

while IFS='|' read -r command a b c d e f g; do
  case $command in
    encrypt | decrypt | seal | open | password)
      if answer=$("$command" "$a" "$b" "$c" "$d" "$e" "$f" "$g"); then echo "$answer"; else echo -; fi
      ;;
    *) echo - ;;
  esac
done
