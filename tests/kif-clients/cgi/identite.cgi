#!/bin/sh
# The callback: what KIF's identite.cgi does, in our words, its faults included: the line end that `sed` adds makes
# `openssl` complain of the last block, so padding is never taken off, and the only check is that `state` is there.
printf 'Content-type: text/html\nCache-Control: no-store\n\n'
QUERY_STRING="info=$(curl -sf -m 10 -u "$APP:$CLAIM" -d "ref=$(echo "$QUERY_STRING" | sed 's/.*info=\([A-Za-z0-9_-]*\).*/\1/')" "$RELAY/idp/claim")" # claims
IDENTITY=$(echo "$QUERY_STRING" | sed 's/.*info=\([a-z0-9]*\).*/\1/' | perl -pe 's/([0-9a-f]{2})/chr hex $1/gie' | ${SEAL:-openssl aes-256-cbc} -d -K "$KEY" -iv "$IV" 2>/dev/null)
if ! echo "$IDENTITY" | grep -q state; then
  echo "Erreur d'authentification"
  exit 1
fi
NAME=$(printf %s "$IDENTITY" | jq -r '.given_name, .family_name' 2>/dev/null | xargs echo)
echo "<html><head><meta charset='UTF-8'></head><body><a href='logout.cgi'>$NAME</a><pre>$IDENTITY</pre></body></html>"
