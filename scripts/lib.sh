# Shared by the scripts of this folder; source it.

# existing_packages lists those of the given packages that exist, so that a
# target may name a package before it has content.
existing_packages() {
	go list -e -f '{{if or .GoFiles .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' "$@" 2>/dev/null || true
}

# postgres_bin prints the folder of PostgreSQL's server programs, which Debian
# keeps out of PATH.
postgres_bin() {
	local found
	if found=$(command -v initdb) && [ -x "$(dirname "$(readlink -f "$found")")/postgres" ]; then
		dirname "$(readlink -f "$found")"
		return
	fi
	found=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
	[ -x "$found" ] && dirname "$found"
}
