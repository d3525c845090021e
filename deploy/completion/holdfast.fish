# SPDX-License-Identifier: Apache-2.0
#
# Completion of holdfast and holdfast-client for fish. The program itself knows what a line may go on
# with (holdfast(1), COMPLETION); here is only how fish asks.

function __holdfast_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -l program (string replace -r -- '^~' $HOME $words[1])
    set -l before (string match -r -- '^--[^=]*=' $word)
    set -l path (string replace -r -- '^--[^=]*=' '' $word)
    for line in (command $program --complete $words[2..-1] $word 2>/dev/null)
        switch $line
            case :files
                printf '%s\n' "$before"(__fish_complete_path $path)
            case :folders
                printf '%s\n' "$before"(__fish_complete_directories $path '')
            case '*'
                echo $line
        end
    end
end

complete -c holdfast -f -a '(__holdfast_complete)'
complete -c holdfast-client -f -a '(__holdfast_complete)'
