# Reads `go test -json`, prints what scripts/gotest promises.

# field gives a string member of one event, unescaped.
function field(name,    key, rest, value) {
	key = "\"" name "\":\""
	if (!index($0, key)) return ""
	rest = substr($0, index($0, key) + length(key) - 1)
	if (!match(rest, /^"([^"\\]|\\.)*"/)) return ""
	value = substr(rest, 2, RLENGTH - 2)
	gsub(/\\\\/, "\001", value)
	gsub(/\\n/, "\n", value)
	gsub(/\\t/, "\t", value)
	gsub(/\\r/, "", value)
	gsub(/\\"/, "\"", value)
	gsub(/\\u003c/, "<", value)
	gsub(/\\u003e/, ">", value)
	gsub(/\\u0026/, "\\&", value)
	gsub(/\\u001b\[[0-9;]*m/, "", value)
	gsub(/\001/, "\\", value)
	return value
}

# reason is the last line that a skipped test logged.
function reason(text,    lines, n, i) {
	n = split(text, lines, "\n")
	for (i = n; i > 0; i--) {
		if (lines[i] ~ /^ *[A-Za-z0-9_]+\.go:[0-9]+: /) {
			sub(/^ *[A-Za-z0-9_]+\.go:[0-9]+: /, "", lines[i])
			return lines[i]
		}
	}
	return "no reason given"
}

function is_allowed(why,    i) {
	for (i = 1; i <= patterns; i++) if (why ~ pattern[i]) return 1
	return 0
}

BEGIN {
	while ((getline line < allowed) > 0) {
		if (line !~ /^[ \t]*(#|$)/) pattern[++patterns] = line
	}
}

!/^\{/ { print; next }

{
	action = field("Action"); test = field("Test"); id = field("Package") " " test
}

action == "build-output" { printf "%s", field("Output"); next }

action == "output" && test != "" {
	said[id] = said[id] field("Output")
	next
}

action == "output" {
	text = field("Output")
	if (text != "PASS\n" && text != "FAIL\n" && text !~ /\[no test files\]/) printf "%s", text
	next
}

test == "" { next }

action == "pass" { passed++; delete said[id] }

action == "fail" {
	failed++
	printf "%s", said[id]
	failures[failed] = id
	delete said[id]
}

# A fuzz target skips the seeds that are not for it.
action == "skip" && test ~ /^Fuzz[^\/]*\// { delete said[id]; next }

action == "skip" {
	skipped++
	why = reason(said[id])
	if (!(why in skips)) order[++kinds] = why
	skips[why]++
	names[why] = names[why] "\n      " id
	delete said[id]
}

END {
	for (id in said) if (said[id] ~ /panic:|fatal error:/) printf "%s", said[id]
	bad = 0
	if (kinds) print "\nskipped:"
	for (i = 1; i <= kinds; i++) {
		why = order[i]
		ok = is_allowed(why)
		if (!ok) bad += skips[why]
		printf "  %s%s%s\n", why, (strict && !ok ? "  <- could run, and has to" : ""), names[why]
	}
	if (failed) {
		print "\nfailed:"
		for (i = 1; i <= failed; i++) print "  " failures[i]
	}
	printf "\n%d passed, %d failed, %d skipped\n", passed, failed, skipped
	exit strict && bad ? 1 : 0
}
