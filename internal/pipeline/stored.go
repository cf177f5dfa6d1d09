package pipeline

// CompileStored turns a declaration that was accepted once into its Plan
// without judging it again: a rule that has become stricter since, or an action
// type that has gone away, must not stop what is stored or running.
func CompileStored(d Declaration, env Environment) Plan {
	v := newView(&d, env)
	v.parse()
	return v.plan()
}
