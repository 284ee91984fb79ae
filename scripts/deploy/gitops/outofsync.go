// Compares rendered objects with the live ones as Argo CD does, with its own library, and fails where it would say OutOfSync.
//
// example: outofsync < pairs.json, where the input is a list of {"rendered": object, "live": object}
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/argoproj/gitops-engine/pkg/diff"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type pair struct {
	Rendered map[string]any `json:"rendered"`
	Live     map[string]any `json:"live"`
}

func main() {
	var pairs []pair
	if err := json.NewDecoder(os.Stdin).Decode(&pairs); err != nil {
		fmt.Fprintln(os.Stderr, "outofsync: the input is no list of pairs:", err)
		os.Exit(2)
	}
	outOfSync := false
	for _, it := range pairs {
		rendered := &unstructured.Unstructured{Object: it.Rendered}
		result, err := diff.Diff(rendered, &unstructured.Unstructured{Object: it.Live})
		if err != nil {
			fmt.Fprintf(os.Stderr, "outofsync: %s/%s: %v\n", rendered.GetKind(), rendered.GetName(), err)
			os.Exit(2)
		}
		if result.Modified {
			outOfSync = true
			fmt.Printf("%s/%s is out of sync\n  live:   %s\n  wanted: %s\n",
				rendered.GetKind(), rendered.GetName(), result.NormalizedLive, result.PredictedLive)
		}
	}
	if outOfSync {
		os.Exit(1)
	}
}
