package pipeline

// Violation is a declaration that breaks a rule: which rule, and the public
// exception and text that CodePipeline answers with.
type Violation struct {
	// Rule is the id of the rule in docs and tests, such as "S6".
	Rule string
	// Exception is the shape name, such as "InvalidStageDeclarationException".
	Exception string
	Message   string
}

func (v *Violation) Error() string { return v.Exception + ": " + v.Message }
