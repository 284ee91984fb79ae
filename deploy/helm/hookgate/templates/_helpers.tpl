{{/* Names and labels. */}}

{{/*
A text as the value of a label: at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends. The digest of an image is left out.
*/}}
{{- define "hookgate.label" -}}
{{- $text := regexReplaceAll "@.*$" . "" | replace "+" "_" -}}
{{ regexReplaceAll "[^A-Za-z0-9._-]" $text "-" | trunc 63 | trimAll "-_." }}
{{- end }}

{{- define "hookgate.name" -}}
{{ include "hookgate.label" (default .Chart.Name .Values.nameOverride) }}
{{- end }}

{{/* A text as the name of an object. A release may have dots in its name, but a Service may not. */}}
{{- define "hookgate.objectName" -}}
{{ . | replace "." "-" | trunc 52 | trimAll "-" }}
{{- end }}

{{- define "hookgate.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{ include "hookgate.objectName" .Values.fullnameOverride }}
{{- else if contains $name .Release.Name -}}
{{ include "hookgate.objectName" .Release.Name }}
{{- else -}}
{{ include "hookgate.objectName" (printf "%s-%s" .Release.Name $name) }}
{{- end -}}
{{- end }}

{{- define "hookgate.selectorLabels" -}}
app.kubernetes.io/name: {{ include "hookgate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The labels of every pod of the release, also of pods that no Service may select. */}}
{{- define "hookgate.instanceLabels" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: {{ include "hookgate.name" . }}
{{- end }}

{{/*
The labels of all objects, then commonLabels and the labels of one object, each once. It is called with the root and the path of the object's labels, or
"" for none. The object's labels come before commonLabels. Labels that the chart sets itself are refused, because selectors and dashboards rely on them.
The chart's version is not among them, because a new chart must not replace the pods.
*/}}
{{- define "hookgate.commonLabels" -}}
{{- $root := index . 0 -}}
{{- $own := list "name" "instance" "part-of" "version" "managed-by" "component" -}}
{{- $labels := dict -}}
{{- range $path := without (list "commonLabels" (index . 1)) "" -}}
{{- $more := $root.Values -}}
{{- range splitList "." $path }}{{ $more = get $more . | default dict }}{{ end -}}
{{- range $key, $value := $more -}}
{{- if or (eq $key "helm.sh/chart") (has (trimPrefix "app.kubernetes.io/" $key) $own | and (hasPrefix "app.kubernetes.io/" $key)) -}}
{{- fail (printf "%s has %s, which the chart sets itself: leave it out" $path $key) -}}
{{- end -}}
{{- $_ := set $labels $key $value -}}
{{- end -}}
{{- end -}}
app.kubernetes.io/part-of: {{ include "hookgate.name" $root }}
app.kubernetes.io/version: {{ include "hookgate.label" ($root.Values.image.tag | default $root.Chart.AppVersion) | quote }}
{{- with $labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "hookgate.labels" -}}
{{ include "hookgate.labelsWith" (list . "") }}
{{- end }}

{{/* All labels of an object that is not a pod. It is called with the same arguments as hookgate.commonLabels. */}}
{{- define "hookgate.labelsWith" -}}
{{- $root := index . 0 -}}
{{ include "hookgate.selectorLabels" $root }}
{{ include "hookgate.commonLabels" . }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ include "hookgate.label" (printf "%s-%s" $root.Chart.Name $root.Chart.Version) }}
{{- end }}

{{- define "hookgate.podLabels" -}}
{{ include "hookgate.selectorLabels" . }}
{{ include "hookgate.commonLabels" (list . "podLabels") }}
{{- end }}

{{/* The labels of pods that run one command and end. */}}
{{- define "hookgate.commandLabels" -}}
app.kubernetes.io/name: {{ include "hookgate.name" . | trunc 55 }}-command
app.kubernetes.io/instance: {{ .Release.Name }}
{{ include "hookgate.commonLabels" (list . "podLabels") }}
{{- end }}

{{- define "hookgate.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "hookgate.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{- define "hookgate.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The port of an address such as 0.0.0.0:8080 or [::]:8080. */}}
{{- define "hookgate.port" -}}
{{ regexFind "[0-9]+$" . }}
{{- end }}

{{/* Whether the Services may have IPv6 addresses. Then 0.0.0.0 would leave half of the senders, or the probes, without an answer. */}}
{{- define "hookgate.ipv6" -}}
{{ if or (has "IPv6" .Values.service.ipFamilies) (hasSuffix "DualStack" (.Values.service.ipFamilyPolicy | default "")) }}yes{{ end }}
{{- end }}

{{- define "hookgate.webhookPort" -}}
{{ include "hookgate.port" (dig "http" "listen" "0.0.0.0:8080" .Values.config) }}
{{- end }}

{{- define "hookgate.adminPort" -}}
{{ include "hookgate.port" (dig "admin" "listen" "0.0.0.0:9090" .Values.config) }}
{{- end }}

{{/* Every name of the admin port's Service in the cluster's DNS. */}}
{{- define "hookgate.adminHosts" -}}
{{- $name := printf "%s-admin" (include "hookgate.fullname" .) -}}
{{- $space := printf "%s.%s" $name .Release.Namespace -}}
{{ list $name $space (printf "%s.svc" $space) (printf "%s.svc.cluster.local" $space) | toJson }}
{{- end }}

{{/* Milliseconds of a duration as hookgate.toml writes it: "500ms", "3.5s", "5m". */}}
{{- define "hookgate.milliseconds" -}}
{{- $units := dict "ms" 1.0 "s" 1000.0 "m" 60000.0 "h" 3600000.0 "d" 86400000.0 -}}
{{- $number := regexFind "^[0-9.]+" . -}}
{{- $unit := get $units (trimPrefix $number .) -}}
{{- if or (not $number) (not $unit) -}}
{{ fail (printf "%q is not a duration, such as \"500ms\", \"3.5s\" or \"5m\"" .) }}
{{- end -}}
{{ mulf (float64 $number) $unit | ceil | int64 }}
{{- end }}

{{/* Seconds of an orderly shutdown, rounded up: pre_stop + drain + flush. */}}
{{- define "hookgate.shutdownSeconds" -}}
{{- $shutdown := .Values.config.shutdown | default dict -}}
{{- $sum := 0 -}}
{{- range $key, $default := dict "pre_stop" "5s" "drain" "10s" "flush" "5s" -}}
{{- $sum = add $sum (include "hookgate.milliseconds" (get $shutdown $key | default $default) | int64) -}}
{{- end -}}
{{ divf $sum 1000 | ceil | int64 }}
{{- end }}

{{/* The seconds after which the kubelet kills a pod: terminationGracePeriodSeconds, or [shutdown] grace, or the time of the shutdown and 10 s. A time
that is not longer than the shutdown is refused. */}}
{{- define "hookgate.graceSeconds" -}}
{{- $needed := include "hookgate.shutdownSeconds" . | int64 -}}
{{- $grace := add $needed 10 -}}
{{- with .Values.config.shutdown -}}
{{- with .grace -}}
{{- $grace = divf (include "hookgate.milliseconds" . | int64) 1000 | floor | int64 -}}
{{- end -}}
{{- end -}}
{{- if not (kindIs "invalid" .Values.terminationGracePeriodSeconds) -}}
{{- $grace = .Values.terminationGracePeriodSeconds | int64 -}}
{{- end -}}
{{- if le $grace $needed -}}
{{ fail (printf "a grace period of %d s would kill pods that still drain: config.shutdown's pre_stop, drain and flush take %d s" $grace $needed) }}
{{- end -}}
{{ $grace }}
{{- end }}

{{/* The IP families of both Services. */}}
{{- define "hookgate.ipFamilies" -}}
{{- with .Values.service.ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .Values.service.ipFamilies }}
ipFamilies:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The URL of the runbooks of the alerts; by default the pods serve them. */}}
{{- define "hookgate.runbooks" -}}
{{ .Values.metrics.rules.runbooks | default (printf "http://%s-admin.%s.svc:9090/runbooks" (include "hookgate.fullname" .) .Release.Namespace) | trimSuffix "/" }}
{{- end }}
