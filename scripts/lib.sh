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

# aws_tools is where test-deps puts AWS's tools if the machine has none that will
# do: nothing of it is in the repository.
aws_tools=${XDG_CACHE_HOME:-$HOME/.cache}/penstock/aws-tools
[ ! -x "$aws_tools/bin/aws" ] || PATH="$aws_tools/bin:$PATH"

# at_least says whether a version is one or newer.
at_least() { # VERSION LEAST
	[ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}

# aws_usable says whether there is an AWS CLI that AWS_ENDPOINT_URL leads to a
# server here. An older one would talk to AWS.
aws_usable() {
	local version
	version=$(aws --version 2>/dev/null | sed -n 's|^aws-cli/\([0-9.]*\).*|\1|p')
	case $version in
	'') return 1 ;;
	1.*) at_least "$version" 1.29.0 ;;
	*) at_least "$version" 2.13.0 ;;
	esac
}

# boto3_usable says the same of boto3.
boto3_usable() {
	local version
	version=$(python3 -c 'import boto3; print(boto3.__version__)' 2>/dev/null) && at_least "$version" 1.28.0
}
