# Sourced by the `run` of each peer in the folders beside this file. Such a script builds the peer, if what that takes is
# on this machine, and runs it. It ends with 77 and a reason in words where the peer cannot be had here.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

not_here() {
    echo "$*" >&2
    exit 77
}

# Whether a file of the peer is newer than what was built of it last.
stale() { # OUT FOLDER
    [ ! -e "$1/built" ] || [ -n "$(find "$2" -type f -newer "$1/built" -print -quit)" ]
}
