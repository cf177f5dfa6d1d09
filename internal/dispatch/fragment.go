package dispatch

import "slices"

// fragments is what pack has codes for: pieces of the JSON of history. Rows hold
// their numbers, so that nothing of the list may ever change; more can be added
// behind, up to maxFragments. The first ones have the shortest codes.
var fragments = []string{
	`,"execution":"`,
	`","stage":"`,
	`","action":"`,
	`","actionId":"`,
	`","status":"Succeeded"`,
	`","status":"InProgress"`,
	`},{"kind":"ActionStarted","at":`,
	`},{"kind":"StageEntered","at":`,
	`},{"kind":"StageChanged","at":`,
	`{"format":1,"part":`,
	`,"outputs":[{"name":"`,
	`","bucket":"`,
	`","key":"`,
	`"}],"deadline":`,
	`"}],"outputs":[{"name":"`,
	`","externalExecutionId":"`,
	`,"inputs":[{"name":"`,
	`,"entered":`,

	`[{"kind":"ActionEnded","at":`,
	`[{"kind":"ExecutionStarted","at":`,
	`[{"kind":"PipelineCreated","at":`,
	`[{"kind":"TransitionChanged","at":`,
	`[{"kind":"`,
	`},{"kind":"ExecutionChanged","at":`,
	`},{"kind":"ExecutionStarted","at":`,
	`},{"kind":"ActionEnded","at":`,
	`},{"kind":"`,
	`,"outcome":{"summary":"`,
	`,"outcome":{"externalExecutionId":"`,
	`,"outcome":{`,
	`"}],"outcome":{"summary":"`,
	`{"id":"`,
	`","seq":`,
	`,"version":`,
	`,"mode":"SUPERSEDED"`,
	`,"mode":"QUEUED"`,
	`,"mode":"PARALLEL"`,
	`,"status":"Succeeded"`,
	`,"status":"InProgress"`,
	`,"status":"Failed"`,
	`,"status":"Superseded"`,
	`,"status":"Stopped"`,
	`,"status":"Cancelled"`,
	`,"status":"Abandoned"`,
	`","status":"Failed"`,
	`","status":"Superseded"`,
	`","status":"Stopped"`,
	`","status":"Cancelled"`,
	`","status":"Abandoned"`,
	`,"trigger":{"type":"StartPipelineExecution","detail":"`,
	`,"trigger":{"type":"CreatePipeline","detail":"`,
	`,"trigger":{"type":"`,
	`","detail":"`,
	`"},"startTime":`,
	`},"startTime":`,
	`,"lastUpdate":`,
	`,"stage":`,
	`,"inside":true`,
	`,"waitingSince":`,
	`,"group":`,
	`,"actions":[{"id":"`,
	`},{"id":"`,
	`","index":`,
	`,"started":`,
	`,"deadline":`,
	`}],"stages":[{"name":"`,
	`,"stages":[{"name":"`,
	`},{"name":"`,
	`,"ended":`,
	`}],"artifacts":[{"name":"`,
	`","revision":"`,
	`","produced":true}`,
	`","produced":true},{"name":"`,
	`],"revisions":[{"action":"`,
	`","artifact":"`,
	`","revision":{"id":"`,
	`","summary":"`,
	`","changeIdentifier":"`,
	`","url":"`,
	`","created":`,
	`,"namespaces":[{"name":"`,
	`,"variables":[{"name":"`,
	`","value":"`,
	`"},{"name":"`,
	`{"outputs":[{"name":"`,
	`{"inputs":[{"name":"`,
	`{"summary":"`,
	`{"deadline":`,
	`{"externalExecutionId":"`,
	`","externalExecutionUrl":"`,
	`","outputVariables":{"`,
	`"outputVariables":{"`,
	`"errorCode":"`,
	`","errorMessage":"`,
	`","by":"`,
	`,"gates":[{"name":"`,
	`,"rules":[{"id":"`,
	`","gate":"`,
	`"}},{"kind":"StageChanged","at":`,
	`"}]}`,
	`"}}]}}`,
	`"}}]`,
	`"}}`,
	`"}]`,
	`}]}}`,
	`}]}`,
	`"},"`,
}

// maxFragments is how many codes there are.
const maxFragments = firstSize + letters

// fragmentKey is how many characters the index looks at; no fragment is shorter.
const fragmentKey = 3

// fragmentIndex finds the fragments that a text may begin with, longest first, by
// fragmentHash.
var fragmentIndex = indexFragments(fragments)

func indexFragments(list []string) (index [256][]uint8) {
	for i, f := range list {
		bucket := &index[fragmentHash(f)]
		*bucket = append(*bucket, uint8(i))
		slices.SortStableFunc(*bucket, func(a, b uint8) int { return len(list[b]) - len(list[a]) })
	}
	return index
}

func fragmentHash(text string) uint8 {
	return uint8((uint32(text[0]) | uint32(text[1])<<8 | uint32(text[2])<<16) * 2654435761 >> 24)
}
