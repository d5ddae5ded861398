#!/bin/sh
# A platform of your own, in anything that speaks HTTP: one fact a line. Sending it again changes nothing, so repeat it
# until the answer is 200. The key is read from standard input: on the command line, others could see it.
set -eu
printf 'header = "Authorization: Bearer %s"\n' "$ROLLBOOK_KEY" |
    curl --config - --silent --show-error --fail-with-body --retry 5 --max-time 60 \
        --header 'Content-Type: application/x-ndjson' --data-binary @"$1" "$ROLLBOOK_URL/v1/facts"
