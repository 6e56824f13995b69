# Written by packaging/completions.py from the programs' own lists of options; not to be edited.

_clearwing() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} program=${COMP_WORDS[0]##*/}
    local verb=${program#clearwing-} flags files folders texts
    if [[ $program == clearwing ]]; then
        verb=server
        if ((COMP_CWORD > 1)) && [[ " top exporter publish subscribe request reply bench " == *" ${COMP_WORDS[1]} "* ]]; then
            verb=${COMP_WORDS[1]}
        fi
    fi
    case $verb in
    server)
        flags='--addr --net -a --port -p --name --server_name -n --client_advertise --workers --pid -P --ports_file_dir --config -c -t --signal -sl --health-check --max_traced_msg_len --user --pass --auth --http_port -m --https_port -ms --https_cert --https_key --http_user --http_password --http_token --log -l --logtime -T --logtime_utc --debug -D --trace -V -VV -DV -DVV --help -h --version -v --list-options --list-metrics'
        files=' --pid -P --config -c --https_cert --https_key --log -l '
        folders=' --ports_file_dir '
        texts=' --addr --net -a --port -p --name --server_name -n --client_advertise --workers --signal -sl --max_traced_msg_len --user --pass --auth --http_port -m --https_port -ms --http_user --http_password --http_token '
        ;;
    top)
        flags='--url --host -s --port -m --tls-port -ms --interval -d --limit -n --sort --filter --view --raw -b --totals --once --json --csv --output -o --delimiter -l --count -r --timeout --header --ca -cacert --cert --key --insecure -k --color --ascii --version -v --help -h'
        files=' --output -o --ca -cacert --cert --key '
        folders='  '
        texts=' --url --host -s --port -m --tls-port -ms --interval -d --limit -n --sort --filter --view --delimiter -l --count -r --timeout --header --color '
        ;;
    exporter)
        flags='--listen --names --collect --connections --jetstream --jetstream-leaders-only --subjects --limit-series --timeout --probe-allow --nats-tls-ca --nats-tls-cert --nats-tls-key --nats-tls-insecure --varz --connz --connz_detailed --subz --routez --gatewayz --leafz --accstatz --accountz --healthz --healthz_js_enabled_only --healthz_js_server_only --jsz --jsz_stream_meta_keys --jsz_consumer_meta_keys --prefix --use_internal_server_id --use_internal_server_name --addr --port --path --http_user --http_pass --tlscert --tlskey --log --syslog --help --version'
        files=' --nats-tls-ca --nats-tls-cert --nats-tls-key --tlscert --tlskey --log '
        folders='  '
        texts=' --listen --names --collect --connections --jetstream --jetstream-leaders-only --subjects --limit-series --timeout --probe-allow --jsz --jsz_stream_meta_keys --jsz_consumer_meta_keys --prefix --addr --port --path --http_user --http_pass '
        ;;
    publish)
        flags='--server --user --password --token --creds --nkey --tls-ca --tls-cert --tls-key --tls-insecure --name --timeout --file --lines --header --reply --count --interval --help'
        files=' --creds --nkey --tls-ca --tls-cert --tls-key --file '
        folders='  '
        texts=' --server --user --password --token --name --timeout --header --reply --count --interval '
        ;;
    subscribe)
        flags='--server --user --password --token --creds --nkey --tls-ca --tls-cert --tls-key --tls-insecure --name --timeout --count --queue --raw --json --help'
        files=' --creds --nkey --tls-ca --tls-cert --tls-key '
        folders='  '
        texts=' --server --user --password --token --name --timeout --count --queue '
        ;;
    request)
        flags='--server --user --password --token --creds --nkey --tls-ca --tls-cert --tls-key --tls-insecure --name --timeout --file --header --count --interval --raw --json --help'
        files=' --creds --nkey --tls-ca --tls-cert --tls-key --file '
        folders='  '
        texts=' --server --user --password --token --name --timeout --header --count --interval '
        ;;
    reply)
        flags='--server --user --password --token --creds --nkey --tls-ca --tls-cert --tls-key --tls-insecure --name --timeout --header --count --queue --echo --command --help'
        files=' --creds --nkey --tls-ca --tls-cert --tls-key '
        folders='  '
        texts=' --server --user --password --token --name --timeout --header --count --queue --command '
        ;;
    bench)
        flags='--server --user --password --token --creds --nkey --tls-ca --tls-cert --tls-key --tls-insecure --name --timeout --queue --messages --size --publishers --subscribers --rate --request --subscriber-server --json --help'
        files=' --creds --nkey --tls-ca --tls-cert --tls-key '
        folders='  '
        texts=' --server --user --password --token --name --timeout --queue --messages --size --publishers --subscribers --rate --subscriber-server '
        ;;
    *) return ;;
    esac
    COMPREPLY=()
    if [[ $files == *" $before "* ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    elif [[ $folders == *" $before "* ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
    elif [[ $texts == *" $before "* ]]; then
        return
    elif [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$word")
    elif [[ $program == clearwing ]] && ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W 'top exporter publish subscribe request reply bench' -- "$word")
    fi
}

complete -F _clearwing clearwing clearwing-top clearwing-exporter clearwing-publish clearwing-subscribe clearwing-request clearwing-reply clearwing-bench
