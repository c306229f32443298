#!/bin/sh
# The page with the link: what KIF's index.cgi does, in our words. KEY, IV, CALLBACK and KIF come from the environment;
# so does SEAL, the command that encrypts: `openssl aes-256-cbc` or, for AES-256-GCM, the filter beside this file.
STATE=$(openssl rand -hex 8)
NONCE=$(openssl rand -hex 16)
MSG=$(printf %s "$CALLBACK?nonce=$NONCE&state=$STATE" | ${SEAL:-openssl aes-256-cbc} -K "$KEY" -iv "$IV" | od -An -v -tx1 | tr -d ' \n')
printf 'Content-type: text/html\nCache-Control: no-store\n\n'
echo "<html><head><meta charset='UTF-8'><title>Application de test</title></head>"
echo "<body><a href='$KIF/idp?msg=$MSG'>Se connecter</a></body></html>"
