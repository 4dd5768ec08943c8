# How anybody points Terraform at an installation of ours.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "url" {
  type = string
}

variable "private_key" {
  type      = string
  sensitive = true
}

provider "aws" {
  region                  = "us-east-1"
  access_key              = "test"
  secret_key              = "test"
  skip_metadata_api_check = true
  skip_region_validation  = true
  max_retries             = 1
  default_tags {
    tags = { owner = "mail", stage = "test" }
  }
  endpoints {
    ses   = var.url
    sesv2 = var.url
    sts   = var.url
  }
}

data "aws_caller_identity" "me" {}

locals {
  topics = "arn:aws:sns:us-east-1:${data.aws_caller_identity.me.account_id}"
}
