package codepipeline

// Settle is settle, for the tests outside of the package.
var Settle = settle
