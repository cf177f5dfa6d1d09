#!/bin/sh
# Fails the first time that an execution asks, and succeeds the second time.
mark="/tmp/penstock-conditions-$1"
if [ -e "$mark" ]; then
	rm "$mark"
	echo "the weather is fine"
	exit 0
fi
touch "$mark"
echo "it rains"
exit 1
