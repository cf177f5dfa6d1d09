#!/bin/sh
# Writes a table of contents for the input artifact Site, under the Title of the
# action's configuration, next to the files themselves.
set -eu

cp -R "$PENSTOCK_INPUT_Site/." "$PENSTOCK_OUTPUT_Listed"
cd "$PENSTOCK_INPUT_Site"
echo "::progress 50 reading"
files=$(find . -type f | sort)
count=$(echo "$files" | wc -l | tr -d ' ')

{
	echo "$PENSTOCK_CONFIG_Title"
	echo "$files" | sed 's|^\./|- |'
} > "$PENSTOCK_OUTPUT_Listed/contents.txt"

echo "Files=$count" > "$PENSTOCK_VARIABLES"
echo "listed $count files for execution $PENSTOCK_PIPELINE_EXECUTION_ID" | tee "$PENSTOCK_SUMMARY"
