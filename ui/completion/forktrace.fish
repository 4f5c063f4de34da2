# fish completion for forktrace(1), installed as fish/vendor_completions.d/forktrace.fish.

# Options whose value may be the next word. (A short one first: see __fish_complete_subcommand.)
set -g __forktrace_valued -p -k -f -o -e -s --attach --kernel --follow --inject --unwinder --max-frames --format --output \
    --color --keys --source-path --guest-kernel --guest-cpu --guest-memory --guest-append --guest-debug-info \
    --guest-file --gdb --kallsyms --from --expect --on --script --tap

# Is the word that is typed neither PROGRAM nor behind it?
function __forktrace_own_option
    set -l words (commandline -opc)
    set -l skip 1
    for word in $words
        if test $skip -gt 0
            set skip (math $skip - 1)
        else if contains -- $word $__forktrace_valued
            set skip 1
        else if test $word = --; or not string match -q -- '-*' $word
            return 1
        end
    end
    return 0
end

function __forktrace_inject
    set -l value (string replace -r -- '^--inject=' '' (commandline -ct))
    set -l head (string match -r -- '^.*[:=,]' $value)
    set -l words
    switch (string match -r -- ':[^:]*$' $value)
        case ':error=*'
            set words EAGAIN ENOMEM ENOSYS EINVAL EPERM EACCES EBADF EBUSY EEXIST EFAULT EINTR ENOSPC EOPNOTSUPP \
                EUSERS E2BIG
        case ':delay=*' ':delay_enter=*'
            set words 100us 1ms 10ms 100ms 1s
        case ':when=*'
            set words 1 2 3 1+ 2+ 1+2 1..3
        case ':*'
            set words error= delay= delay_enter= when=
        case '*'
            set words fork vfork clone clone3 %fork
    end
    printf "$(string replace -a % %% -- $head)%s\n" $words
end

function __forktrace_on
    string join \n -- 'fork#' failed kind= comm= child.comm= parent.comm=
end

complete -c forktrace -x -a '(__fish_complete_subcommand $__forktrace_valued)'

complete -c forktrace -n __forktrace_own_option -s p -l attach -x -a '(__fish_complete_list , __fish_complete_pids)' -d 'Attach to running processes'
complete -c forktrace -n __forktrace_own_option -s k -l kernel -x -a 'auto live guest none' -d 'Where the kernel half comes from'
complete -c forktrace -n __forktrace_own_option -s g -l guest -d 'Run the program in a guest'
complete -c forktrace -n __forktrace_own_option -l follow -x -a 'all first none' -d 'Which children are traced on'
complete -c forktrace -n __forktrace_own_option -l threads -d 'Record the creation of threads too'
complete -c forktrace -n __forktrace_own_option -l no-seccomp -d 'Stop on every system call'
complete -c forktrace -n __forktrace_own_option -l inject -x -a '(__forktrace_inject)' -d 'Let calls of the fork family fail or wait'
complete -c forktrace -n __forktrace_own_option -l unwinder -x -a 'auto libdw libunwind frame-pointer' -d 'How user stacks are unwound'
complete -c forktrace -n __forktrace_own_option -l max-frames -x -a '16 64 256 1024 65536' -d 'Frames a stack at most'
complete -c forktrace -n __forktrace_own_option -s f -l format -x -a 'text json tree dot html perfetto' -d 'Format of the report'
complete -c forktrace -n __forktrace_own_option -s o -l output -r -F -d 'Write the report to a file'
complete -c forktrace -n __forktrace_own_option -l color -x -a 'auto always never' -d Colours
complete -c forktrace -n __forktrace_own_option -l from -r -F -d 'Report a saved report instead of tracing'
complete -c forktrace -n __forktrace_own_option -s s -l script -r -F -d 'Test with a Lua script'
complete -c forktrace -n __forktrace_own_option -l tap -r -F -d 'Write the results of the script to a file'
complete -c forktrace -n __forktrace_own_option -s e -l expect -x -d 'This must hold for every fork'
complete -c forktrace -n __forktrace_own_option -l on -x -a '(__fish_complete_list , __forktrace_on)' -d 'Limits the expectation before it'
complete -c forktrace -n __forktrace_own_option -l allow-none -d 'An expectation that no fork matched is no failure'
complete -c forktrace -n __forktrace_own_option -s q -l quiet -d 'Report errors, failed forks and the totals alone'
complete -c forktrace -n __forktrace_own_option -s v -l verbose -d 'Report every event; twice: all of each frame'
complete -c forktrace -n __forktrace_own_option -s i -l interactive -d 'Step through the program'
complete -c forktrace -n __forktrace_own_option -l keys -r -F -d 'Type the keys of a file first'
complete -c forktrace -n __forktrace_own_option -l source-path -x -a '(__fish_complete_list : __fish_complete_directories)' -d 'Look for source files there too'
complete -c forktrace -n __forktrace_own_option -l guest-kernel -r -F -d 'An i386 bzImage'
complete -c forktrace -n __forktrace_own_option -l guest-cpu -x -a 'qemu32 486 pentium pentium2 pentium3 coreduo n270 kvm32 athlon max' -d 'Model of the processor'
complete -c forktrace -n __forktrace_own_option -l guest-memory -x -a '32 64 128 256 512 1024 2048' -d 'Memory in MiB'
complete -c forktrace -n __forktrace_own_option -l guest-append -x -d 'Further arguments for the kernel'
complete -c forktrace -n __forktrace_own_option -l guest-debug-info -r -F -d 'The kernel with DWARF'
complete -c forktrace -n __forktrace_own_option -l guest-file -r -F -d 'One more file for the program'
complete -c forktrace -n __forktrace_own_option -l guest-cold -d 'Neither use nor make a snapshot'
complete -c forktrace -n __forktrace_own_option -l guest-fetch -f -a 'linux-image-686 linux-image-686-pae' -d 'Fetch a kernel and end'
complete -c forktrace -n __forktrace_own_option -l gdb -r -F -a localhost:1234 -d 'Follow a guest behind a GDB stub'
complete -c forktrace -n __forktrace_own_option -l kallsyms -r -F -d 'The symbols of its kernel'
complete -c forktrace -n __forktrace_own_option -l stages -d 'Explain the stages of a fork in the kernel'
complete -c forktrace -n __forktrace_own_option -s '?' -l help -d 'List the options'
complete -c forktrace -n __forktrace_own_option -l usage -d 'List them briefly'
complete -c forktrace -n __forktrace_own_option -s V -l version -d 'Print the versions'
