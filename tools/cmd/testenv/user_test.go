//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// useServers is what a test suite does: write, restart the servers, read.
func useServers() error {
	ctx := context.Background()
	return errors.Join(usePostgres(ctx), useS3(ctx))
}

func usePostgres(ctx context.Context) error {
	if _, err := psql(ctx, "create table kept (n int); insert into kept values (42)"); err != nil {
		return err
	}
	if err := restartBy(ctx, "EPHEMERA_TEST_POSTGRES_RESTART"); err != nil {
		return err
	}
	const query = "select n, current_user, (select rolsuper from pg_roles where rolname = current_user), current_setting('fsync') from kept"
	if got, err := psql(ctx, query); err != nil || got != "42|ephemera|f|on" {
		return fmt.Errorf("read %q from PostgreSQL, %w", got, err)
	}
	return nil
}

func psql(ctx context.Context, query string) (string, error) {
	folder, _ := thisHost().findPostgres()
	out, err := exec.CommandContext(ctx, filepath.Join(folder, "psql"), "-X", "-At", "-c", query, os.Getenv("EPHEMERA_TEST_POSTGRES")).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("psql: %w: %s", err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

func useS3(ctx context.Context) error {
	store, err := url.Parse(os.Getenv("EPHEMERA_TEST_S3"))
	if err != nil {
		return err
	}
	client := s3Client{store.Query().Get("endpoint"), os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")}
	object := "/" + store.Host + store.Path + "/kept"
	if status, answer, err := client.do(ctx, http.MethodPut, object, []byte("42")); err != nil || status != http.StatusOK {
		return fmt.Errorf("put: status %d, %w: %s", status, err, answer)
	}
	if err := restartBy(ctx, "EPHEMERA_TEST_S3_RESTART"); err != nil {
		return err
	}
	if status, answer, err := client.do(ctx, http.MethodGet, object, nil); err != nil || status != http.StatusOK || string(answer) != "42" {
		return fmt.Errorf("get: status %d, %w: %s", status, err, answer)
	}
	client.secret = "wrong"
	if status, _, err := client.do(ctx, http.MethodGet, object, nil); err != nil || status != http.StatusForbidden {
		return fmt.Errorf("get with a wrong secret: status %d, %w", status, err)
	}
	return nil
}

func restartBy(ctx context.Context, variable string) error {
	cmd := exec.CommandContext(ctx, "sh", "-c", os.Getenv(variable))
	cmd.Env = append(os.Environ(), roleVariable+"=testenv")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", variable, err, out)
	}
	return nil
}
