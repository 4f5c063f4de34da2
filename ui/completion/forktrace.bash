# bash completion for forktrace(1), installed as bash-completion/completions/forktrace.      -*- shell-script -*-

# A line an option. Those with = take a value.
_forktrace_options='
--allow-none
--attach=
--color=
--expect=
--follow=
--format=
--from=
--gdb=
--guest
--guest-append=
--guest-cold
--guest-cpu=
--guest-debug-info=
--guest-fetch
--guest-file=
--guest-kernel=
--guest-memory=
--help
--inject=
--interactive
--kallsyms=
--kernel=
--keys=
--max-frames=
--no-seccomp
--on=
--output=
--quiet
--script=
--source-path=
--stages
--tap=
--threads
--unwinder=
--usage
--verbose
--version
-?
-V
-e
-f
-g
-i
-k
-o
-p
-q
-s
-v
'

# Does this word take the next one for its value?
_forktrace_takes_next() {
	case $1 in
	-[efkops]) return 0 ;;
	--*) [[ $_forktrace_options == *$'\n'"$1="$'\n'* ]] ;;
	*) return 1 ;;
	esac
}

# Offers words that continue $1. Readline completes what stands behind the last : or = alone, where these break words.
_forktrace_offer() {
	local cur=$1 break head IFS=$'\n'
	shift
	mapfile -t COMPREPLY < <(compgen -W "$*" -- "$cur")
	for break in : =; do
		if [[ $cur == *$break* && $COMP_WORDBREAKS == *$break* ]]; then
			head=${cur%"${cur##*"$break"}"}
			cur=${cur#"$head"}
			COMPREPLY=("${COMPREPLY[@]#"$head"}")
		fi
	done
}

# The same for the last part of a list; $1: the list, $2: what separates its parts.
_forktrace_offer_part() {
	local list=$1 head=${1%"${1##*"$2"}"}
	shift 2
	_forktrace_offer "$list" "${@/#/$head}"
	compopt -o nospace
}

_forktrace_inject() {
	local part=
	[[ $1 == *:* ]] && part=:${1##*:}
	case $part in
	:error=*)
		_forktrace_offer_part "$1" = EAGAIN ENOMEM ENOSYS EINVAL EPERM EACCES EBADF EBUSY EEXIST EFAULT EINTR \
			ENOSPC EOPNOTSUPP EUSERS E2BIG
		;;
	:delay=* | :delay_enter=*) _forktrace_offer_part "$1" = 100us 1ms 10ms 100ms 1s ;;
	:when=*) _forktrace_offer_part "$1" = 1 2 3 1+ 2+ 1+2 1..3 ;;
	:*) _forktrace_offer_part "$1" : error= delay= delay_enter= when= ;;
	*) _forktrace_offer_part "$1" , fork vfork clone clone3 %fork ;;
	esac
}

# The value of option $1, of which $2 is typed. False: it has none that could be told.
_forktrace_value() {
	local words
	case $1 in
	--attach | -p)
		mapfile -t words < <(command ps axo pid= | tr -d ' ')
		_forktrace_offer_part "$2" , "${words[@]}"
		;;
	--kernel | -k) _forktrace_offer "$2" auto live guest none ;;
	--follow) _forktrace_offer "$2" all first none ;;
	--unwinder) _forktrace_offer "$2" auto libdw libunwind frame-pointer ;;
	--format | -f) _forktrace_offer "$2" text json tree dot html perfetto ;;
	--color) _forktrace_offer "$2" auto always never ;;
	--inject) _forktrace_inject "$2" ;;
	--on) _forktrace_offer_part "$2" , fork# failed kind= comm= child.comm= parent.comm= ;;
	--max-frames) _forktrace_offer "$2" 16 64 256 1024 65536 ;;
	--guest-cpu) _forktrace_offer "$2" qemu32 486 pentium pentium2 pentium3 coreduo n270 kvm32 athlon max ;;
	--guest-memory) _forktrace_offer "$2" 32 64 128 256 512 1024 2048 ;;
	--guest-fetch) _forktrace_offer "$2" linux-image-686 linux-image-686-pae ;;
	--source-path)
		mapfile -t words < <(compgen -S / -d -- "${2##*:}")
		_forktrace_offer_part "$2" : "${words[@]}"
		;;
	--gdb)
		if [[ -z $2 || localhost:1234 == "$2"* ]]; then
			_forktrace_offer "$2" localhost:1234
		else
			_filedir
		fi
		;;
	--from | --output | -o | --script | -s | --tap | --keys | --kallsyms | --guest-kernel | --guest-debug-info | --guest-file) _filedir ;;
	*) return 1 ;;
	esac
}

# _command_offset counts as COMP_WORDS does, where : and = may be words of their own.
_forktrace_program() {
	local i=$1 piece at=0
	for ((; i > 0; i--)); do
		piece=${COMP_WORDS[at++]}
		while [[ $piece != "${words[$1 - i]}" && at -lt ${#COMP_WORDS[@]} ]]; do
			piece+=${COMP_WORDS[at++]}
		done
	done
	_command_offset "$at"
}

_forktrace() {
	local cur prev words cword split i
	_init_completion -s -n : || return

	# PROGRAM is the first word that is neither an option nor one's value.
	for ((i = 1; i <= cword; i++)); do
		if [[ ${words[i]} == -- ]]; then
			((++i))
			break
		elif _forktrace_takes_next "${words[i]}"; then
			((++i))
		elif [[ ${words[i]} != -* ]]; then
			break
		fi
	done
	if ((i <= cword)); then
		_forktrace_program "$i"
	elif [[ ${words[cword]} != -* || $split == true ]]; then
		_forktrace_value "$prev" "$cur"
	else
		mapfile -t COMPREPLY < <(compgen -W "$_forktrace_options" -- "$cur")
		[[ ${COMPREPLY-} == *= ]] && compopt -o nospace
	fi
	return 0
} && complete -F _forktrace forktrace
