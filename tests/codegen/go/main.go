// Decodes one record's value with the generated code and prints what scripts/schema/codegen expects of every language.
package main

import (
	"fmt"
	"log"
	"os"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	hookgatev1 "example.com/consumer/gen/hookgate/v1"
)

func main() {
	value, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var event hookgatev1.Event
	if err := proto.Unmarshal(value, &event); err != nil {
		log.Fatal(err)
	}
	payload := "none"
	if _, ok := event.GetPayload().(*hookgatev1.Event_UploadcareFile); ok {
		payload = "uploadcare_file"
	}
	file := event.GetUploadcareFile()
	fmt.Printf("id=%s\n", event.GetId())
	fmt.Printf("type=%s\n", event.GetType())
	fmt.Printf("subject=%s\n", event.GetSubject())
	fmt.Printf("received_at=%s\n", when(event.GetReceivedAt()))
	fmt.Printf("occurred_at=%s\n", when(event.GetOccurredAt()))
	fmt.Printf("origin=%d\n", event.GetOrigin())
	fmt.Printf("proof_header=%s\n", event.GetProof().GetHeaders()[0].GetName())
	fmt.Printf("body_bytes=%d\n", len(event.GetBody()))
	fmt.Printf("payload=%s\n", payload)
	fmt.Printf("size=%s\n", optional(file.Size))
	fmt.Printf("is_image=%s\n", optional(file.IsImage))
	fmt.Printf("infected=%t\n", file.GetVirusScan().GetInfected())
	fmt.Printf("infected_with=%s\n", file.GetVirusScan().GetInfectedWith())
	fmt.Printf("hook_id=%d\n", file.GetHook().GetId())
	fmt.Printf("initiator=%d\n", file.GetInitiator().GetType())
	fmt.Printf("previous_virus_scan=%s\n", presence(file.GetPreviousVirusScan() != nil))
}

func when(time *timestamppb.Timestamp) string {
	return fmt.Sprintf("%d.%09d", time.GetSeconds(), time.GetNanos())
}

func optional[T any](value *T) string {
	if value == nil {
		return "absent"
	}
	return fmt.Sprint(*value)
}

func presence(present bool) string {
	if present {
		return "present"
	}
	return "absent"
}
