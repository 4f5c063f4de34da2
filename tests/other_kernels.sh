#!/bin/sh
# Fetches i386 kernels of Debian's other releases, for the tests of the guest:   tests/other_kernels.sh FORKTRACE CACHE
# CACHE/SUITE/forktrace/guest then holds them. apt keeps what it knows of these releases there too: the machine's own
# lists stay as they are. What cannot be had is told, and its tests are skipped.
set -eu

forktrace=$1
mkdir -p "$2"
cache=$(cd "$2" && pwd)

# The mirror of this machine's own Debian.
mirror=$(apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Created-By: Packages' | sed -n 's/ Debian$//p' | head -n 1)

fetch() { # SUITE PACKAGE
	directory=$cache/$1
	if [ -e "$directory/complete" ]; then
		return 0
	fi
	mkdir -p "$directory/lists/partial"
	echo "deb [arch=i386] ${mirror:-http://deb.debian.org/debian/} $1 main" >"$directory/sources.list"
	cat >"$directory/apt.conf" <<-END
		Dir::State::Lists "$directory/lists";
		Dir::Etc::SourceList "$directory/sources.list";
		Dir::Etc::SourceParts "/dev/null";
		Dir::Cache::pkgcache "";
		Dir::Cache::srcpkgcache "";
	END
	if APT_CONFIG="$directory/apt.conf" XDG_CACHE_HOME="$directory" "$forktrace" --guest-fetch="$2"; then
		rm -rf "$directory/lists"
		touch "$directory/complete"
	else
		echo "other_kernels.sh: $2 of $1 cannot be had: its tests are skipped"
	fi
}

fetch bullseye linux-image-686                             # 5.10
fetch bookworm-backports linux-image-6.5.0-0.deb12.4-686-pae # without a package that stands for the newest
