package provider

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
)

// LoadSDK is what the official SDK finds in its usual places. What the SDK has to
// say goes to the logger; nil discards it. Its own one writes to standard error,
// whatever the format of a log there is.
func LoadSDK(ctx context.Context, logger *slog.Logger, load ...func(*config.LoadOptions) error) (aws.Config, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	says := logging.LoggerFunc(func(class logging.Classification, format string, args ...any) {
		level := slog.LevelWarn
		if class == logging.Debug {
			level = slog.LevelDebug
		}
		logger.Log(context.Background(), level, "the AWS SDK says", "text", fmt.Sprintf(format, args...))
	})
	return config.LoadDefaultConfig(ctx, slices.Concat(load, []func(*config.LoadOptions) error{config.WithLogger(says)})...)
}
