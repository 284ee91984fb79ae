{{/*
These templates make hookgate.toml from `config`. Helm's own toToml writes every integer as a float, which the program refuses, and it does
not know references to Secrets.
*/}}

{{/* The whole file. The grace period is that of the pod. By default the admin port answers to the names of its Service, and both ports listen
on IPv6 too where the Services have it. */}}
{{- define "hookgate.toml" -}}
{{- $config := deepCopy .Values.config -}}
{{- $shutdown := $config.shutdown | default dict -}}
{{- $_ := set $shutdown "grace" (printf "%ss" (include "hookgate.graceSeconds" .)) -}}
{{- $_ := set $config "shutdown" $shutdown -}}
{{- $admin := $config.admin | default dict -}}
{{- if not (hasKey $admin "hosts") -}}
{{- $_ := set $admin "hosts" (include "hookgate.adminHosts" . | fromJsonArray) -}}
{{- end -}}
{{- if include "hookgate.ipv6" . -}}
{{- $http := $config.http | default dict -}}
{{- if not $http.listen }}{{ $_ := set $http "listen" "[::]:8080" }}{{ end -}}
{{- $_ := set $config "http" $http -}}
{{- if not $admin.listen }}{{ $_ := set $admin "listen" "[::]:9090" }}{{ end -}}
{{- end -}}
{{- $_ := set $config "admin" $admin -}}
{{- include "hookgate.tomlTable" (dict "path" "" "table" $config) | trim }}
{{- end }}

{{/* Every key of a table, then the tables in it. */}}
{{- define "hookgate.tomlTable" -}}
{{- $path := .path -}}
{{- $tables := dict -}}
{{- $lines := list -}}
{{- range $key, $value := .table -}}
{{- if kindIs "invalid" $value -}}
{{- else if and (kindIs "map" $value) (not (include "hookgate.isReference" $value)) -}}
{{- $_ := set $tables $key $value -}}
{{- else -}}
{{- if has $key (list "password" "client_secret" "token" "secrets" "api_key" "secret_key") -}}
{{- range ternary $value (list $value) (kindIs "slice" $value) -}}
{{- include "hookgate.checkSecret" (dict "path" (printf "%s.%s" $path $key) "value" .) -}}
{{- end -}}
{{- end -}}
{{- $lines = append $lines (printf "%s = %s" (include "hookgate.tomlKey" $key) (include "hookgate.tomlValue" (dict "key" $key "value" $value))) -}}
{{- end -}}
{{- end -}}
{{- if and $path (or $lines (not $tables)) }}

[{{ $path }}]
{{- end }}
{{- range $lines }}
{{ . }}
{{- end }}
{{- range $key, $table := $tables }}
{{- $inner := include "hookgate.tomlKey" $key }}
{{- include "hookgate.tomlTable" (dict "path" (ternary (printf "%s.%s" $path $inner) $inner (ne $path "")) "table" $table) }}
{{- end }}
{{- end }}

{{- define "hookgate.tomlKey" -}}
{{ if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ toJson . }}{{ end }}
{{- end }}

{{/* Refuses a secret that is in the values themselves, without repeating it. The schema does not check this, because it prints what it refuses. */}}
{{- define "hookgate.checkSecret" -}}
{{- if kindIs "string" .value -}}
{{- if not (regexMatch "^(env:[A-Za-z_][A-Za-z0-9_]*|(file|dir):.+)$" .value) -}}
{{- fail (printf "config.%s has a secret itself, or no reference to one: write {secretName: …, key: …}, \"env:NAME\" or \"file:/path\"" .path) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* A value. A JSON string is a TOML string too. In values files every number is a float, but the schema refuses fractions, so numbers become integers. */}}
{{- define "hookgate.tomlValue" -}}
{{- $key := .key -}}
{{- $value := .value -}}
{{- if kindIs "slice" $value -}}
{{- $items := list -}}
{{- range $value -}}
{{- $items = append $items (include "hookgate.tomlValue" (dict "key" $key "value" .)) -}}
{{- end -}}
[{{ join ", " $items }}]
{{- else if and (kindIs "map" $value) $value.folder -}}
{{ toJson (printf "dir:%s" (include "hookgate.mountPath" $value)) }}
{{- else if kindIs "map" $value -}}
{{- $path := printf "%s/%s" (include "hookgate.mountPath" $value) $value.key -}}
{{ toJson (ternary $path (printf "file:%s" $path) (hasSuffix "_file" $key)) }}
{{- else if or (kindIs "string" $value) (kindIs "bool" $value) -}}
{{ toJson $value }}
{{- else -}}
{{ int64 $value }}
{{- end -}}
{{- end }}

{{/* Whether a map is a reference to a file or, in a list of secrets, to a folder: {secretName: …, key: …} or {secretName: …, folder: true}. */}}
{{- define "hookgate.isReference" -}}
{{ if or (hasKey . "secretName") (hasKey . "configMapName") }}yes{{ end }}
{{- end }}

{{/* The mount folder of a Secret or a ConfigMap of a reference. The message does not repeat a wrong key, because it may be the secret itself. */}}
{{- define "hookgate.mountPath" -}}
{{- if .folder -}}
/etc/hookgate/folders/{{ .secretName }}
{{- else -}}
{{- if not (regexMatch "^[-._a-zA-Z0-9]+$" .key) -}}
{{- fail (printf "config: a key of %s is the name of a file: letters, digits, '-', '_' and '.'" (.secretName | default .configMapName)) -}}
{{- end -}}
{{- if .secretName -}}
/etc/hookgate/secrets/{{ .secretName }}
{{- else -}}
/etc/hookgate/configmaps/{{ .configMapName }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Every reference in a value, as lines of JSON. */}}
{{- define "hookgate.references" -}}
{{- if kindIs "map" . -}}
{{- if include "hookgate.isReference" . }}
{{ toJson . }}
{{- else -}}
{{- range . }}{{ include "hookgate.references" . }}{{ end -}}
{{- end -}}
{{- else if kindIs "slice" . -}}
{{- range . }}{{ include "hookgate.references" . }}{{ end -}}
{{- end -}}
{{- end }}

{{/*
The Secrets and ConfigMaps of all references, by their folder. The daemon does not use `recover`, so its pods do not get
those credentials. With `command` in the context these are the ones that this command uses. Each is one volume, so that a missing Secret does not delay the changes of the others.
They are mounted as whole folders, because a file that is mounted by subPath never changes.
*/}}
{{- define "hookgate.mounts" -}}
{{- $mounts := dict -}}
{{- $config := omit .Values.config "recover" -}}
{{- if eq "reconcile" (default "" .command) -}}
{{- $config = pick .Values.config "kafka" "schema_registry" "recover" -}}
{{- else if eq "subscriptions" (default "" .command) -}}
{{- $config = pick .Values.config "endpoints" "recover" -}}
{{- end -}}
{{- range include "hookgate.references" $config | trim | splitList "\n" | uniq | compact -}}
{{- with fromJson . -}}
{{- $path := include "hookgate.mountPath" . -}}
{{- $mount := get $mounts $path | default (dict "secret" .secretName "configMap" .configMapName "needed" list "optional" list) -}}
{{- $list := ternary "optional" "needed" (.optional | default false) -}}
{{- $_ := set $mount $list (append (get $mount $list) (.key | default "all keys") | uniq | sortAlpha) -}}
{{- $_ := set $mount "folder" .folder -}}
{{- $_ := set $mounts $path $mount -}}
{{- end -}}
{{- end -}}
{{ toJson $mounts }}
{{- end }}
