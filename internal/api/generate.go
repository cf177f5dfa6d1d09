package api

//go:generate go run github.com/penstock-cd/penstock/internal/api/gen
