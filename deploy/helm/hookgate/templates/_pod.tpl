{{/* The common parts of the Deployment, the topics Job and the test. */}}

{{- define "hookgate.podSettings" -}}
automountServiceAccountToken: false
# Hookgate does not use the variables that Kubernetes makes for Services.
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
serviceAccountName: {{ include "hookgate.serviceAccountName" . }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .Values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.initContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "hookgate.containerSettings" -}}
image: {{ include "hookgate.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
{{- with .Values.extraEnv }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
volumeMounts:
  - name: config
    mountPath: /etc/hookgate/config
    readOnly: true
  {{- range $path, $mount := include "hookgate.mounts" . | fromJson }}
  - name: {{ include "hookgate.volumeName" $path }}
    mountPath: {{ $path }}
    readOnly: true
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* The name of a volume. A Secret's name may be too long for one and may have dots, so this is a hash of the path. */}}
{{- define "hookgate.volumeName" -}}
mount-{{ sha256sum . | trunc 8 }}
{{- end }}

{{/* Keys as the files of a volume. */}}
{{- define "hookgate.items" -}}
{{- range . }}
- {key: {{ . | quote }}, path: {{ . | quote }}}
{{- end }}
{{- end }}

{{/* All volumes of a pod. It is called with the root and the name of the ConfigMap. */}}
{{- define "hookgate.volumes" -}}
- name: config
  configMap:
    name: {{ .configMap }}
{{- range $path, $mount := include "hookgate.mounts" .root | fromJson }}
- name: {{ include "hookgate.volumeName" $path }}
  {{- /* A key that one reference needs is not optional, whatever other references say. */}}
  {{- $optional := $mount.optional }}
  {{- range $mount.needed }}{{ $optional = without $optional . }}{{ end }}
  {{- if and $mount.needed $optional (not $mount.folder) }}
  # Two sources, because `optional` applies to all keys of a source.
  projected:
    {{- if $mount.secret }}
    defaultMode: 0440
    {{- end }}
    sources:
      - {{ ternary "secret" "configMap" (not (empty $mount.secret)) }}:
          name: {{ $mount.secret | default $mount.configMap }}
          items:
            {{- include "hookgate.items" $mount.needed | trim | nindent 12 }}
      - {{ ternary "secret" "configMap" (not (empty $mount.secret)) }}:
          name: {{ $mount.secret | default $mount.configMap }}
          optional: true
          items:
            {{- include "hookgate.items" $optional | trim | nindent 12 }}
  {{- else }}
  {{- if $mount.secret }}
  secret:
    secretName: {{ $mount.secret }}
    # Readable for the group of podSecurityContext.fsGroup.
    defaultMode: 0440
  {{- else }}
  configMap:
    name: {{ $mount.configMap }}
  {{- end }}
    {{- if $optional }}
    optional: true
    {{- end }}
    {{- if not $mount.folder }}
    items:
      {{- include "hookgate.items" ($mount.needed | default $optional) | trim | nindent 6 }}
    {{- end }}
  {{- end }}
{{- end }}
{{- with .root.Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
