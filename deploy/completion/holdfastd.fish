# SPDX-License-Identifier: Apache-2.0
#
# Completion of the services' own programs for fish.

for program in holdfastd holdfast-loader holdfast-origin
    complete -c $program -f
    complete -c $program -l version -d 'print the release'
    complete -c $program -l help -d 'explain the program'
end
for program in holdfastd holdfast-loader
    complete -c $program -l config -r -F -d 'the configuration'
    complete -c $program -l check -d 'check the configuration, and exit'
end

complete -c holdfast-origin -l root -x -a '(__fish_complete_directories)' -d 'what is served'
complete -c holdfast-origin -l users -r -F -d 'email and password of each'
complete -c holdfast-origin -l salts -r -F -d 'for the keys'
complete -c holdfast-origin -l listen -x -d 'HOST:PORT or unix:/PATH'
complete -c holdfast-origin -l formula -x -a 'v1-hw v1-nohw' -d 'how keys of users are made'
complete -c holdfast-origin -l upload-max -x -d 'bytes of one big part'
complete -c holdfast-origin -l ek-anchors -r -F -d 'certificates of makers of TPMs'
complete -c holdfast-origin -l eks -r -F -d 'endorsement keys by Name'

set -l verbs status login load artifact cancel unlock
set -l first "not __fish_seen_subcommand_from $verbs"
complete -c holdfast-loader -n $first -l dev -d 'allow plain http here'
complete -c holdfast-loader -n $first -a status -d 'tell provider, login, images and downloads'
complete -c holdfast-loader -n $first -a login -d 'log in at the resource API'
complete -c holdfast-loader -n $first -a load -d 'fetch, check and open a resource'
complete -c holdfast-loader -n $first -a artifact -d 'fetch, check and open an artifact'
complete -c holdfast-loader -n $first -a cancel -d 'end a download'
complete -c holdfast-loader -n $first -a unlock -d 'open the archive of images'
complete -c holdfast-loader -n '__fish_seen_subcommand_from status' -l follow -d 'wait until nothing is at work'
complete -c holdfast-loader -n '__fish_seen_subcommand_from status artifact' -l json -d 'print what the loader answers'
complete -c holdfast-loader -n '__fish_seen_subcommand_from load artifact' -l out -r -F -d 'where it goes'
complete -c holdfast-loader -n '__fish_seen_subcommand_from login unlock' -l password-file -r -F -d 'a line with the password'
