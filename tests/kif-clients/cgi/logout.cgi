#!/bin/sh
# The way out: what KIF's logout.cgi does, in our words.
printf 'Content-type: text/html\nLocation: %s/j_spring_security_logout\n\n' "$KIF"
