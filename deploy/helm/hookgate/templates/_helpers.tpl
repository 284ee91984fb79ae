{{/* Names and labels. */}}

{{- define "hookgate.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "hookgate.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "hookgate.selectorLabels" -}}
app.kubernetes.io/name: {{ include "hookgate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* What every pod of the release has, also those that no Service may select. */}}
{{- define "hookgate.instanceLabels" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: {{ include "hookgate.name" . }}
{{- end }}

{{/* Not the chart's version: a new chart alone is no reason for new pods. */}}
{{- define "hookgate.commonLabels" -}}
app.kubernetes.io/part-of: {{ include "hookgate.name" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "hookgate.labels" -}}
{{ include "hookgate.selectorLabels" . }}
{{ include "hookgate.commonLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- end }}

{{- define "hookgate.podLabels" -}}
{{ include "hookgate.selectorLabels" . }}
{{ include "hookgate.commonLabels" . }}
{{- with .Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Of the pods that run one command and end. */}}
{{- define "hookgate.commandLabels" -}}
app.kubernetes.io/name: {{ include "hookgate.name" . | trunc 55 }}-command
app.kubernetes.io/instance: {{ .Release.Name }}
{{ include "hookgate.commonLabels" . }}
{{- with .Values.podLabels }}
{{ toYaml . }}
{{- end }}
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

{{- define "hookgate.webhookPort" -}}
{{ include "hookgate.port" (dig "http" "listen" "0.0.0.0:8080" .Values.config) }}
{{- end }}

{{- define "hookgate.adminPort" -}}
{{ include "hookgate.port" (dig "admin" "listen" "0.0.0.0:9090" .Values.config) }}
{{- end }}

{{/* Every name that the cluster's DNS gives to the Service of the admin port. */}}
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

{{/* When the kubelet kills: asked for, or [shutdown] grace, or what the shutdown takes and 10 s. Never before it is over. */}}
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
