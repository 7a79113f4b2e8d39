#!/bin/sh
# Writes the output of a command to the directory of its unit.
set -eu
"$@" >"$STATE_DIRECTORY/report.new"
mv "$STATE_DIRECTORY/report.new" "$STATE_DIRECTORY/report"
