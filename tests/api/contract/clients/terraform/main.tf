# What a foundation and an environment of this project are made of, for a recording of Terraform's provider.
# Each resource waits for the one before, so that the requests always come in the same order.
terraform {
  required_providers {
    scaleway = { source = "scaleway/scaleway" }
  }
}

variable "port" {
  type    = number
  default = 8080
}

resource "scaleway_account_project" "snu" {
  name        = "snu-terraform"
  description = "recorded"
}

resource "scaleway_registry_namespace" "images" {
  name       = "snu-terraform"
  project_id = scaleway_account_project.snu.id
  depends_on = [scaleway_account_project.snu]
}

resource "scaleway_secret" "document" {
  name       = "snu-terraform"
  project_id = scaleway_account_project.snu.id
  depends_on = [scaleway_registry_namespace.images]
}

resource "scaleway_secret_version" "document" {
  secret_id  = scaleway_secret.document.id
  data       = jsonencode({ KEY = "fake" })
  depends_on = [scaleway_secret.document]
}

resource "scaleway_iam_application" "deploy" {
  name       = "snu-deploy-terraform"
  depends_on = [scaleway_secret_version.document]
}

resource "scaleway_iam_policy" "deploy" {
  name           = "snu-deploy-terraform-policy"
  application_id = scaleway_iam_application.deploy.id
  rule {
    project_ids          = [scaleway_account_project.snu.id]
    permission_set_names = ["ContainersFullAccess"]
  }
  depends_on = [scaleway_iam_application.deploy]
}

resource "scaleway_iam_api_key" "deploy" {
  application_id     = scaleway_iam_application.deploy.id
  default_project_id = scaleway_account_project.snu.id
  depends_on         = [scaleway_iam_policy.deploy]
}

resource "scaleway_sdb_sql_database" "state" {
  name       = "snu-terraform"
  min_cpu    = 0
  max_cpu    = 2
  project_id = scaleway_account_project.snu.id
  depends_on = [scaleway_iam_api_key.deploy]
}

resource "scaleway_domain_zone" "zone" {
  domain     = "snu.localhost"
  subdomain  = "terraform"
  project_id = scaleway_account_project.snu.id
  depends_on = [scaleway_sdb_sql_database.state]
}

resource "scaleway_container_namespace" "apps" {
  name       = "snu-terraform"
  project_id = scaleway_account_project.snu.id
  depends_on = [scaleway_domain_zone.zone]
}

resource "scaleway_container" "api" {
  name                         = "terraform-api"
  namespace_id                 = scaleway_container_namespace.apps.id
  image                        = "registry.test/api@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  port                         = var.port
  environment_variables        = { APP_NAME = "api" }
  secret_environment_variables = { KEY = "fake" }
  depends_on                   = [scaleway_container_namespace.apps]
}

resource "scaleway_domain_record" "api" {
  dns_zone   = scaleway_domain_zone.zone.id
  name       = "api"
  type       = "CNAME"
  data       = "${replace(scaleway_container.api.public_endpoint, "https://", "")}."
  ttl        = 3600
  depends_on = [scaleway_container.api]
}

resource "scaleway_container_domain" "api" {
  container_id = scaleway_container.api.id
  hostname     = "api.terraform.snu.localhost"
  depends_on   = [scaleway_domain_record.api]
}

resource "scaleway_job_definition" "report" {
  name                   = "report"
  cpu_limit              = 140
  memory_limit           = 256
  image_uri              = "registry.test/report:1"
  local_storage_capacity = 1024
  project_id             = scaleway_account_project.snu.id
  depends_on             = [scaleway_container_domain.api]
}

resource "scaleway_cockpit_source" "logs" {
  name           = "snu-terraform"
  type           = "logs"
  retention_days = 7
  project_id     = scaleway_account_project.snu.id
  depends_on     = [scaleway_job_definition.report]
}
